//! The ids of a record in the flat JSON object, which are written once for all records of an invocation.
//!
//! It must not write those of one record for another.

use super::names::{Names, Run};
use super::object::value;
use crate::process::Record;

/// What was written for the last record whose invocation has a number.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// The fields, each with a comma before it, up to what stands before the record's own number.
    written: Vec<u8>,
    /// The invocation's number; 0 before there is one.
    invocation: u64,
}

impl Ids {
    /// Writes the ids of a record, each with a comma before it, up to what stands before its own number.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn write(&mut self, names: &Names, record: &Record<'_>, out: &mut Vec<u8>) {
        // The fraction may change within an invocation.
        let is_known = record.invocation != 0 && record.sample.is_none();
        if is_known && record.invocation == self.invocation {
            return out.extend_from_slice(&self.written);
        }
        let from = out.len();
        id(out, &names.request_id, record.request_id);
        id(out, &names.trace_id, record.trace_id);
        id(out, &names.tenant_id, record.tenant_id);
        let [no, yes] = &names.cold_starts;
        let cold_start = record.cold_start.map(|cold| if cold { yes } else { no });
        match (cold_start, record.sample) {
            (Some(cold_start), None) => out.extend_from_slice(&cold_start.both),
            (cold_start, sample) => {
                out.extend_from_slice(cold_start.map_or(&[], Run::alone));
                value(out, &names.sample, sample);
                out.extend_from_slice(&names.record_id);
            }
        }
        if !names.record_id.is_empty() {
            out.extend_from_slice(record.environment.as_bytes());
            out.push(b'-');
        }
        if is_known {
            self.invocation = record.invocation;
            self.written.clear();
            self.written
                .extend_from_slice(out.get(from..).unwrap_or_default());
        }
    }
}

/// Writes a field whose value is an id, as the inside of a JSON string, if it is known and its name not empty; the name is `,"name":"`.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn id(out: &mut Vec<u8>, name: &[u8], id: Option<&str>) {
    if let (Some(id), false) = (id, name.is_empty()) {
        out.extend_from_slice(name);
        out.extend_from_slice(id.as_bytes());
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_are_a_records_own_whatever_came_before_it() {
        let names = Names::new(Vec::new());
        let of = |invocation, request_id, sample| Record {
            invocation,
            request_id: Some(request_id),
            trace_id: Some("1-a-b").filter(|_| invocation == 1),
            tenant_id: Some("t").filter(|_| invocation == 2),
            cold_start: Some(invocation == 1),
            environment: "e",
            sample,
            ..Record::default()
        };
        let mut ids = Ids::default();
        for one in [
            of(0, "r-0", None),
            of(1, "r-1", None),
            of(1, "r-1", None),
            of(0, "r-9", None),
            of(1, "r-1", Some("0.5")),
            of(1, "r-1", Some("1")),
            of(1, "r-1", None),
            of(2, "r-2", Some("0.5")),
            of(2, "r-2", None),
            of(0, "r-8", None),
            of(2, "r-2", None),
        ] {
            let (mut out, mut fresh) = (b"before".to_vec(), b"before".to_vec());
            ids.write(&names, &one, &mut out);
            Ids::default().write(&names, &one, &mut fresh);
            assert_eq!(String::from_utf8(out), String::from_utf8(fresh));
        }
    }
}
