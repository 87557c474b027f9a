//! The report for other programs. `version` grows when a key changes its meaning.

use serde_json::Value;
use serde_json::json;

use crate::load::ladder::Form;
use crate::load::recorder::Latencies;
use crate::load::report::Measured;
use crate::load::report::PERCENTILES;
use crate::load::report::Report;
use crate::load::report::ms;
use crate::load::report::percentile_ms;

/// One JSON object; latencies in milliseconds.
#[must_use]
pub fn render(report: &Report<'_>) -> Value {
    let plan = report.plan;
    json!({
        "version": 1,
        "url": report.url,
        "rate": plan.rate,
        "connections": plan.connections,
        "threads": plan.threads,
        "mix": plan.workload.mix.to_string(),
        "objects": plan.workload.keys,
        "object_bytes": plan.workload.object_bytes,
        "duration_s": plan.duration.as_secs_f64(),
        "warm_up_s": plan.warm_up.as_secs_f64(),
        "seed": plan.seed,
        "run": report.run.as_ref().map(|run| measured(report, run)),
        "ladder": report.ladder.iter().map(|step| json!({
            "bytes": step.bytes,
            "chunked": step.chunked,
            "form": match step.form { Form::Raw => "raw", Form::Base64 => "base64" },
            "sound": step.outcome.is_sound(),
            "outcome": step.outcome.to_string(),
        })).collect::<Vec<_>>(),
        "sound": report.is_sound(),
    })
}

fn measured(report: &Report<'_>, run: &Measured) -> Value {
    let operations = report.plan.workload.mix.operations();
    let operations: serde_json::Map<String, Value> = operations
        .filter_map(|operation| {
            let latencies = run.recorder.latencies(operation)?;
            let errors = run.recorder.faults_of(operation);
            let told = counted(report, run, latencies, errors);
            Some((operation.name().to_owned(), told))
        })
        .collect();
    let faults = run.recorder.faults.iter().map(|((operation, fault), count)| {
        json!({ "operation": operation.name(), "fault": fault.to_string(), "count": count })
    });
    let seconds = run.recorder.series.seconds().iter().map(|second| {
        json!({
            "requests": second.good + second.bad,
            "errors": second.bad,
            "bytes": second.bytes,
            "p50_ms": ms(second.latency.value_at_percentile(50.0)),
            "p99_ms": ms(second.latency.value_at_percentile(99.0)),
            "max_ms": ms(second.latency.max()),
        })
    });
    let objectives = report.objectives.iter().map(|objective| {
        json!({
            "objective": objective.to_string(),
            "measured": objective.measured(run),
            "met": objective.is_met(run),
        })
    });
    json!({
        "all": counted(report, run, &run.all, run.recorder.fault_count()),
        "operations": operations,
        "faults": faults.collect::<Vec<_>>(),
        "body_bytes_per_s": run.per_second(report.plan, run.recorder.bytes),
        "generator_late_ms": ms(run.recorder.generator_late_us),
        "seconds": seconds.collect::<Vec<_>>(),
        "objectives": objectives.collect::<Vec<_>>(),
    })
}

fn counted(report: &Report<'_>, run: &Measured, latencies: &Latencies, errors: u64) -> Value {
    let of = |histogram| {
        let all = PERCENTILES.iter().map(|&(percentile, name)| {
            (
                name.to_owned(),
                Value::from(percentile_ms(histogram, percentile)),
            )
        });
        Value::Object(all.collect())
    };
    let count = latencies.from_due.len();
    json!({
        "requests": count,
        "errors": errors,
        "per_s": run.per_second(report.plan, count),
        "latency_ms": of(&latencies.from_due),
        "latency_from_sent_ms": of(&latencies.from_sent),
    })
}
