use clap::Parser;

use super::*;
use crate::app::cli::Cli;

#[test]
fn without_the_feature_an_option_is_refused_and_a_machine_s_variable_is_not() {
    let layered = |args: &[&str], variables: &[(&'static str, &str)], file: &str| {
        let cli = Cli::try_parse_from([&["sluicegate"], args].concat()).unwrap();
        let file = ConfigFile::parse(Path::new("s.toml"), file.to_owned()).unwrap();
        OtlpSettings::layered(&cli.demo.run, &Environment::of(variables), &file)
    };
    let told = layered(&["--otlp-endpoint", "http://a"], &[], "").unwrap_err();
    assert!(told.to_string().contains("feature otlp"), "{told}");
    let written = layered(&[], &[], "[server]\notlp_endpoint = 'http://a'\n");
    assert_eq!(written.unwrap_err(), SettingsError::NoOtlp);
    let variable = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a")];
    assert!(layered(&[], &variable, "").unwrap().is_none());
}
