//! Every batch that was ever recorded or printed, through the real binary: nothing lost, nothing twice.

use crate::harness::{PATIENCE, Scenario};
use crate::lambda::function::Invocation;
use crate::lambda::telemetry::Event;
use crate::model;
use crate::sink::Sink;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The recorded files, by name.
pub(crate) fn samples() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/telemetry");
    let mut all: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    all.sort();
    all
}

/// The events of a file that is a batch.
pub(crate) fn events(text: &str) -> Option<Vec<Event>> {
    let elements: Vec<BTreeMap<String, &RawValue>> = serde_json::from_str(text).ok()?;
    elements
        .iter()
        .map(|element| {
            Some(Event {
                time: serde_json::from_str(element.get("time")?.get()).ok()?,
                kind: serde_json::from_str(element.get("type")?.get()).ok()?,
                record: element.get("record")?.get().to_owned(),
            })
        })
        .collect()
}

#[test]
fn every_recorded_batch_is_shipped_whole() {
    let batches: Vec<_> = samples()
        .into_iter()
        .filter(|(_, text)| events(text).is_some())
        .collect();
    assert!(batches.len() >= 10, "the samples are not there");
    for format in ["json", "ndjson"] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .option("FORMAT", format)
            .option("TYPES", "platform,function,extension")
            .unfrozen()
            .start();
        assert!(run.lambda.drained(PATIENCE));
        let mut told = run.lambda.events_taken();
        let mut sender = run.lambda.sender();
        let of_init = told.len();
        for (name, text) in &batches {
            assert_eq!(
                sender.post("POST", "/", text.as_bytes()).unwrap().status,
                200,
                "{name}"
            );
            told.extend(events(text).unwrap());
        }
        run.invoke(&Invocation::silent());
        run.finish();
        told.extend(run.lambda.events_taken().split_off(of_init));
        // Its own words about the drops that the samples tell of come back, or come too late for that.
        let own = "brooklet: ";
        told.retain(|event| !event.record.trim_start_matches('"').starts_with(own));
        let mut records = model::records(&sink);
        records.retain(|record| !record.says().starts_with(own));
        model::assert_conserved(&told, &records);
    }
}

#[test]
fn recorded_files_that_are_no_batches_do_no_harm() {
    let others: Vec<_> = samples()
        .into_iter()
        .filter(|(_, text)| events(text).is_none())
        .collect();
    assert!(others.len() >= 5, "the samples are not there");
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).unfrozen().start();
    let mut sender = run.lambda.sender();
    for (name, text) in &others {
        assert_eq!(
            sender.post("POST", "/", text.as_bytes()).unwrap().status,
            200,
            "{name}"
        );
    }
    run.invoke(&Invocation::line("after"));
    run.finish();
    assert!(
        model::records(&sink)
            .iter()
            .any(|record| record.says() == "after")
    );
    assert!(!run.stderr().is_empty(), "what cannot be read is not told");
}
