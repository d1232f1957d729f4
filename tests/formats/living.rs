//! Events fed to an environment that lives until its destination has answered, and what its requests said.
//!
//! It must not know a format: each brings its reader.

use super::{Common, Fed, Payload, normalise};
use crate::harness::PATIENCE;
use crate::scenario::feed::{self, Told};
use crate::sink::{Received, Sink};
use std::sync::Arc;

/// Feeds events, sends each payload as soon as it holds `records`, and ends once the destination got so many `requests`; closes the books.
pub(super) fn feed_living(
    sink: Sink,
    format: &str,
    options: &[(&str, &str)],
    events: &[Told],
    records: usize,
    requests: usize,
) -> Fed {
    let scenario = feed::scenario(&sink, format, &[])
        .option("LOG_LEVEL", "debug")
        .option("FLUSH", "periodic:3600000")
        .option("TELEMETRY_TIMEOUT_MS", "30000")
        .option("BATCH_RECORDS", &records.to_string());
    let run = feed::with(scenario, options).start();
    feed::post(&run, &[events.to_vec()]);
    let came = sink.wait_requests(requests, PATIENCE);
    let got = sink.received().len();
    assert!(came, "{got} requests; {}", run.printed());
    Fed::close(run, sink)
}

/// A request as a payload.
pub(super) fn payload_of(request: &Arc<Received>) -> Payload {
    let mut body = request.body();
    normalise(&mut body);
    Payload {
        request: Arc::clone(request),
        body,
    }
}

/// The texts of the functions' records in each request, in order, as a format's reader reads them.
pub(super) fn texts(sink: &Sink, read: fn(&Payload) -> Vec<Common>) -> Vec<Vec<String>> {
    let told = |request: &Arc<Received>| -> Vec<String> {
        let records = read(&payload_of(request)).into_iter();
        records
            .filter(|record| record.kind == "function")
            .filter_map(|record| record.message)
            .collect()
    };
    sink.received().iter().map(told).collect()
}
