use clap::Parser;

use super::*;
use crate::app::cli::Cli;

fn layered(
    args: &[&str],
    variables: &[(&'static str, &str)],
    file: &str,
) -> Result<Option<OtlpSettings>, SettingsError> {
    let cli = Cli::try_parse_from([&["sluicegate"], args].concat()).unwrap();
    let file = ConfigFile::parse(Path::new("s.toml"), file.to_owned()).unwrap();
    OtlpSettings::layered(&cli.demo.run, &Environment::of(variables), &file)
}

fn url(args: &[&str], variables: &[(&'static str, &str)], file: &str) -> Option<String> {
    let settings = layered(args, variables, file).unwrap();
    settings.map(|settings| settings.traces_url)
}

#[test]
fn the_option_beats_the_environment_and_the_environment_the_file() {
    let option = ["--otlp-endpoint", "http://a:1/"];
    let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://b/base/");
    let alone = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:3/as/it/is");
    let file = "[server]\notlp_endpoint = 'http://d:4'\n";
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(url(&[], &[], ""), None);
    assert_eq!(
        url(&option, &[all, alone], file),
        is("http://a:1/v1/traces")
    );
    assert_eq!(url(&[], &[all, alone], file), is("http://c:3/as/it/is"));
    assert_eq!(url(&[], &[all], file), is("https://b/base/v1/traces"));
    assert_eq!(url(&[], &[], file), is("http://d:4/v1/traces"));
    let exporter = ("OTEL_TRACES_EXPORTER", "otlp");
    assert_eq!(
        url(&[], &[exporter], ""),
        is("http://localhost:4318/v1/traces")
    );
    for off in [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_SDK_DISABLED", "true"),
    ] {
        assert_eq!(url(&option, &[off], ""), None);
    }
}

#[test]
fn a_collector_is_a_url_without_a_password_or_a_query() {
    for taken in ["http://h", "https://h:4318/", "http://[::1]:1/a/b"] {
        assert!(taken.parse::<CollectorUrl>().is_ok(), "{taken}");
    }
    for refused in [
        "",
        "h:4318",
        "grpc://h",
        "http://",
        "http://u:p@h",
        "http://h?k=v",
        "http://h/p?k=v",
        "http://h/a#f",
        "http://h/a b",
        "http://h:0",
    ] {
        assert_eq!(
            refused.parse::<CollectorUrl>(),
            Err(NoCollectorUrl),
            "{refused}"
        );
    }
    let refused = Cli::try_parse_from(["sluicegate", "--otlp-endpoint", "http://u:hunter2@h"]);
    assert!(!refused.unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn the_sampler_is_the_option_s_or_the_environment_s() {
    let named = [
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ];
    let sampler = |args: &[&str], variables: &[(&'static str, &str)], file: &str| {
        let args = [&["--otlp-endpoint", "http://a"], args].concat();
        layered(&args, variables, file).unwrap().unwrap().sampler
    };
    let ratio = |follows_parent, ratio| Sampler {
        follows_parent,
        otherwise: Decision::Ratio(ratio),
    };
    assert_eq!(sampler(&[], &[], ""), Sampler::default());
    assert_eq!(sampler(&[], &named, ""), ratio(false, 0.25));
    let file = "[server]\notlp_sample_ratio = 0.5\n";
    assert_eq!(sampler(&[], &named, file), ratio(true, 0.5));
    let option = ["--otlp-sample-ratio", "0.125"];
    assert_eq!(sampler(&option, &named, file), ratio(true, 0.125));
    for (number, taken) in [
        ("0", true),
        ("1", true),
        ("1.0", true),
        ("1.1", false),
        ("-0.1", false),
        ("nan", false),
        ("", false),
    ] {
        assert_eq!(number.parse::<Ratio>().is_ok(), taken, "{number}");
    }
}

#[test]
fn fields_and_attributes_are_pairs_and_fields_are_not_shown() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20secret, x=y=z"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=of-pairs,deployment.environment.name=test",
        ),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
    ];
    let settings = layered(&[], &variables, "").unwrap().unwrap();
    let fields: Vec<_> = settings.fields.iter().collect();
    assert_eq!(fields, [("api-key", "a secret"), ("x", "y=z")]);
    let told = format!("{settings:?}");
    assert!(
        told.contains("api-key") && !told.contains("secret"),
        "{told}"
    );
    assert_eq!((settings.gzip, settings.timeout.as_millis()), (true, 250));
    let of = |name: &str| {
        let found = settings.resource.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(of("service.name"), Some("of-pairs"));
    assert_eq!(of("deployment.environment.name"), Some("test"));
    let named = [variables[0], variables[2], ("OTEL_SERVICE_NAME", "mine")];
    let settings = layered(&[], &named, "").unwrap().unwrap();
    assert_eq!(settings.resource[0].1, "mine");
}

#[test]
fn a_variable_that_cannot_be_is_named_and_its_text_is_not_shown() {
    for (name, text) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "secret"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://u:secret@h"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%0asecret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_RESOURCE_ATTRIBUTES", "secret"),
    ] {
        let of_all = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a");
        let variables = if name.ends_with("_ENDPOINT") {
            vec![(name, text)]
        } else {
            vec![of_all, (name, text)]
        };
        let fault = layered(&[], &variables, "").unwrap_err().to_string();
        assert!(fault.contains(name) && !fault.contains("secret"), "{fault}");
    }
    let off = layered(
        &["--otlp-endpoint", "http://a", "--trace-context=false"],
        &[],
        "",
    );
    assert_eq!(off.unwrap_err(), SettingsError::SpansWithoutTraces);
}
