use std::io;

use super::*;
use crate::net::credentials::slot::NoCredentials;
use crate::pipeline::exchange_record::Detail;
use crate::pipeline::gateway_response::GatewayFault;
use crate::serve::failure::BodyFault;
use crate::serve::failure::CallFailure;
use crate::serve::failure::Loss;

/// Two cores, and what each counts under the one series there is.
fn metrics() -> (Metrics, Vec<CoreSeries>) {
    let metrics = Metrics::new(2);
    let name = SeriesName {
        api: "a".to_owned(),
        stage: "s".to_owned(),
        resource: "/o".to_owned(),
        method: "GET".to_owned(),
    };
    let series = metrics.series_named(vec![(0, name)]);
    (metrics, series)
}

fn record(series: Option<usize>, status: Option<u16>) -> ExchangeRecord {
    let record = ExchangeRecord::new(Detail::Numbers, 0);
    if let Some(series) = series {
        record.set_series(series);
    }
    if let Some(status) = status {
        record.set_status(status);
        record.sent_at(|| 5);
    }
    record
}

fn series(metrics: &Metrics) -> Vec<SeriesSums> {
    let all = metrics.series();
    all.into_iter().map(|(_, sums)| sums).collect()
}

#[test]
fn sums_are_over_all_cores_and_histograms_count_every_exchange() {
    let (metrics, by_core) = metrics();
    let tell = |core: usize, record: &ExchangeRecord, now_us| {
        metrics.cores()[core].tell(&by_core[core], record, now_us);
    };
    for _ in 0..3 {
        tell(0, &record(Some(0), Some(200)), 100);
    }
    tell(1, &record(Some(0), Some(404)), 200);
    tell(1, &record(None, Some(400)), 1);
    tell(1, &record(Some(9), None), 1);
    let [unrouted, routed] = &series(&metrics)[..] else {
        panic!("two series");
    };
    assert_eq!((routed.statuses.count(), routed.duration.count()), (4, 4));
    assert_eq!(routed.duration.sum_us, 500);
    assert_eq!(routed.first_byte.count(), 4);
    assert_eq!(routed.integration.count(), 0);
    let told: Vec<(String, u64)> = unrouted
        .statuses
        .iter()
        .map(|(status, count)| (status.to_string(), count))
        .collect();
    assert_eq!(told, [("400".to_owned(), 1), ("499".to_owned(), 1)]);
    assert_eq!(metrics.sums().outcomes, [5, 1, 0, 0]);
}

#[test]
fn a_method_that_is_served_again_goes_on_with_its_counts() {
    let (metrics, before) = metrics();
    metrics.cores()[0].tell(&before[0], &record(Some(0), Some(200)), 1);
    let name = |resource: &str| SeriesName {
        api: "a".to_owned(),
        stage: "s".to_owned(),
        resource: resource.to_owned(),
        method: "GET".to_owned(),
    };
    let after = metrics.series_named(vec![(0, name("/new")), (3, name("/o"))]);
    metrics.cores()[0].tell(&after[0], &record(Some(3), Some(200)), 1);
    // What began under the settings of before is counted as well, and so is a position that stands for nothing.
    metrics.cores()[0].tell(&before[0], &record(Some(0), Some(200)), 1);
    metrics.cores()[0].tell(&after[0], &record(Some(1), Some(200)), 1);
    let counts: Vec<(String, u64)> = metrics
        .series()
        .into_iter()
        .map(|(name, sums)| (name.resource.clone(), sums.statuses.count()))
        .collect();
    let wanted = [("-", 1), ("/o", 3), ("/new", 0)];
    assert_eq!(counts, wanted.map(|(name, n)| (name.to_owned(), n)));
}

#[test]
fn series_have_a_limit_and_what_comes_beyond_is_counted_nevertheless() {
    let metrics = Metrics::new(1);
    let name = |number: usize| SeriesName {
        api: "a".to_owned(),
        stage: "s".to_owned(),
        resource: number.to_string(),
        method: "GET".to_owned(),
    };
    let named = (0..SERIES_MAX).map(|number| (number, name(number)));
    let by_core = metrics.series_named(named.collect());
    assert_eq!(metrics.known.load().len(), SERIES_MAX);
    let last = record(Some(SERIES_MAX - 1), Some(200));
    metrics.cores()[0].tell(&by_core[0], &last, 1);
    assert_eq!(series(&metrics)[0].statuses.count(), 1);
}

#[test]
fn an_exchange_is_in_flight_until_its_guard_goes() {
    let (metrics, _) = metrics();
    let core = &metrics.cores()[1];
    let (one, two) = (core.begin(), core.begin());
    assert_eq!(metrics.sums().in_flight, 2);
    drop(one);
    assert_eq!(metrics.sums().in_flight, 1);
    drop(two);
    assert_eq!(metrics.sums().in_flight, 0);
}

#[test]
fn refusals_are_counted_by_status_and_failures_of_the_gateway_are_not() {
    let (metrics, series) = metrics();
    let core = &metrics.cores()[0];
    for fault in [
        GatewayFault::request_too_large(),
        GatewayFault::throttled(),
        GatewayFault::integration_failure(),
        GatewayFault::unreadable_head(501),
    ] {
        let record = record(None, Some(fault.status()));
        record.set_fault(fault);
        core.tell(&series[0], &record, 1);
    }
    let rejected: Vec<(String, u64)> = metrics
        .sums()
        .rejected
        .iter()
        .map(|(status, count)| (status.to_string(), count))
        .collect();
    let wanted = ["413", "429", "501"].map(|status| (status.to_owned(), 1));
    assert_eq!(rejected, wanted);
}

#[test]
fn every_failure_that_an_exchange_tells_has_its_label() {
    let other = UPSTREAM_ERRORS.len() - 1;
    let lost = CallFailure::Lost(Loss {
        reused: false,
        response_begun: false,
        request_sent: true,
    });
    let calls = [
        CallFailure::NoCredentials(NoCredentials::Expired),
        CallFailure::Busy,
        CallFailure::Connect { timed_out: false },
        CallFailure::Connect { timed_out: true },
        CallFailure::Tls,
        CallFailure::TimedOut,
        lost,
        CallFailure::Malformed,
    ];
    let bodies = [
        BodyFault::Closed,
        BodyFault::TimedOut,
        BodyFault::Malformed,
        BodyFault::Io(io::ErrorKind::ConnectionReset),
    ];
    let told = calls.iter().filter_map(|failure| failure.told());
    for told in told.chain(bodies.map(BodyFault::told)) {
        assert!(upstream_error_position(told) < other, "{told}");
    }
    assert_eq!(upstream_error_position("something new"), other);
}

#[test]
fn signings_are_counted_by_mode_and_result() {
    let (metrics, _) = metrics();
    let core = &metrics.cores()[0];
    core.count_signing(&Payload::None, true);
    core.count_signing(&Payload::Unsigned { len: 1 }, true);
    core.count_signing(&Payload::Unsigned { len: 1 }, false);
    assert_eq!(
        metrics.sums().signings,
        [[1, 0], [0, 0], [1, 1], [0, 0], [0, 0]]
    );
}
