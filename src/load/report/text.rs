//! The report on a terminal.

use crate::load::ladder::Form;
use crate::load::recorder::Latencies;
use crate::load::report::Measured;
use crate::load::report::PERCENTILES;
use crate::load::report::Report;
use crate::load::report::ms;
use crate::load::report::percentile_ms;
use crate::load::series::Second;

/// The whole report.
#[must_use]
pub fn render(report: &Report<'_>) -> String {
    let mut out = String::new();
    let plan = report.plan;
    out.push_str(&format!("{}  {}\n", report.url, report.pace()));
    out.push_str(&format!("{} connections, {} thread(s), mix {}, {} objects of {} bytes, {} s after {} s of warm-up, seed {}\n",
        plan.connections,
        plan.threads,
        plan.workload.mix,
        plan.workload.keys,
        plan.workload.object_bytes,
        plan.duration.as_secs_f64(),
        plan.warm_up.as_secs_f64(),
        plan.seed,
    ));
    if let Some(run) = &report.run {
        out.push('\n');
        table(&mut out, report, run);
        faults(&mut out, run);
    }
    ladder(&mut out, report);
    objectives(&mut out, report);
    out
}

fn table(out: &mut String, report: &Report<'_>, run: &Measured) {
    out.push_str(&format!("{:<10}{:>10}{:>10}", "ms", "requests", "per s"));
    for (_, name) in PERCENTILES {
        out.push_str(&format!("{name:>10}"));
    }
    out.push_str(&format!("{:>9}\n", "errors"));
    for operation in report.plan.workload.mix.operations() {
        if let Some(latencies) = run.recorder.latencies(operation) {
            let errors = run.recorder.faults_of(operation);
            row(out, report, run, operation.name(), latencies, errors);
        }
    }
    row(
        out,
        report,
        run,
        "all",
        &run.all,
        run.recorder.fault_count(),
    );
    out.push_str(&format!("{:<10}{:>10}{:>10}", "from sent", "", ""));
    for (percentile, _) in PERCENTILES {
        out.push_str(&format!(
            "{:>10.3}",
            percentile_ms(&run.all.from_sent, percentile)
        ));
    }
    out.push_str(&format!(
        "\n{:.1} MB/s of bodies; the generator itself was at most {:.2} ms late\n",
        run.per_second(report.plan, run.recorder.bytes) / 1e6,
        ms(run.recorder.generator_late_us),
    ));
}

fn row(
    out: &mut String,
    report: &Report<'_>,
    run: &Measured,
    name: &str,
    latencies: &Latencies,
    errors: u64,
) {
    let count = latencies.from_due.len();
    let per_second = run.per_second(report.plan, count);
    out.push_str(&format!("{name:<10}{count:>10}{per_second:>10.0}"));
    for (percentile, _) in PERCENTILES {
        out.push_str(&format!(
            "{:>10.3}",
            percentile_ms(&latencies.from_due, percentile)
        ));
    }
    out.push_str(&format!("{errors:>9}\n"));
}

fn faults(out: &mut String, run: &Measured) {
    for ((operation, fault), count) in &run.recorder.faults {
        out.push_str(&format!("{count} x {}: {fault}\n", operation.name()));
    }
}

fn ladder(out: &mut String, report: &Report<'_>) {
    if report.ladder.is_empty() {
        return;
    }
    out.push_str("\nladder of the payload limit\n");
    for step in &report.ladder {
        let framing = if step.chunked { "chunked" } else { "length" };
        let form = match step.form {
            Form::Raw => "raw",
            Form::Base64 => "base64",
        };
        let mark = if step.outcome.is_sound() {
            "ok  "
        } else {
            "FAIL"
        };
        out.push_str(&format!(
            "{mark} {:>12} bytes  {form:<7}{framing:<8} {}\n",
            step.bytes, step.outcome
        ));
    }
}

fn objectives(out: &mut String, report: &Report<'_>) {
    let Some(run) = &report.run else {
        return;
    };
    for objective in &report.objectives {
        let mark = if objective.is_met(run) {
            "ok  "
        } else {
            "FAIL"
        };
        out.push_str(&format!(
            "{mark} {objective}: {:.3}\n",
            objective.measured(run)
        ));
    }
}

/// One line of progress.
#[must_use]
pub fn progress(number: usize, second: &Second) -> String {
    let latency = &second.latency;
    format!(
        "{:>5} s {:>9}/s   p50 {:>8.3}   p99 {:>8.3}   max {:>8.3} ms   errors {}",
        number + 1,
        second.good + second.bad,
        ms(latency.value_at_percentile(50.0)),
        ms(latency.value_at_percentile(99.0)),
        ms(latency.max()),
        second.bad,
    )
}
