//! The books of a run: what was handed over, against what the destination has and what brooklet says of it.
//!
//! Three witnesses must agree for each process: the local Lambda (which events the listener took), the sink (which
//! records it read and acknowledged), and brooklet itself (its last counters, its `lost:` line, its `brooklet.stats`).
//! A record's id ends in its number in the stream, so every record is compared with the event of that number.
//! Must not know why anything was done to the destination; a test says what it promises by [`Promise`].

use crate::harness::Run;
use crate::lambda::telemetry::Event;
use crate::model::{self, Record};
use crate::sink::{Received, Sink};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a run needs so that its books can be closed.
pub(crate) const LOG_LEVEL: &str = "debug";

/// The counters of records that did not arrive, by their names.
const GONE: [&str; 5] = [
    "unreadable",
    "refused",
    "dead_lettered",
    "dropped_by_buffer",
    "dropped_at_shutdown",
];

/// The counters that are told as losses.
const LOSSES: [&str; 9] = [
    "unreadable",
    "refused",
    "dropped_by_buffer",
    "dropped_at_shutdown",
    "bodies_too_large",
    "bodies_without_room",
    "bodies_cut_short",
    "dropped_by_platform",
    "panics",
];

/// What a run promises besides that nothing is lost silently.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    /// Every answer reached brooklet, so that its count of what was delivered is the sink's.
    pub(crate) heard: bool,
    /// The last process delivered all it was given, or had it refused.
    pub(crate) last_whole: bool,
}

/// Every answer was heard, and nothing but what was refused may be lost.
pub(crate) const WHOLE: Promise = Promise {
    heard: true,
    last_whole: true,
};

/// A record where the destination got it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// Whether the request was acknowledged.
    pub(crate) acknowledged: bool,
    /// Its number in its environment's stream.
    pub(crate) sequence: usize,
    /// The record.
    pub(crate) record: Record,
}

/// One environment as the sink saw it.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// Copies of the records of its stream, in the order they came.
    pub(crate) copies: Vec<Arrival>,
    /// Copies of brooklet's own records.
    pub(crate) own: Vec<Arrival>,
}

/// Counters by name.
pub(crate) struct Counters(pub(crate) HashMap<String, u64>);

impl std::ops::Index<&str> for Counters {
    type Output = u64;

    fn index(&self, name: &str) -> &u64 {
        &self.0[name]
    }
}

impl Counters {
    /// Their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl std::fmt::Debug for Counters {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Those that are 0 only hide the others.
        let told: BTreeMap<_, _> = self.0.iter().filter(|(_, value)| **value > 0).collect();
        told.fmt(out)
    }
}

/// One process, or one destination of a process that has several.
#[derive(Debug)]
pub(crate) struct Book {
    /// The destination's number, where it has one.
    pub(crate) destination: Option<usize>,
    /// What its listener took.
    pub(crate) taken: Vec<Event>,
    /// What it printed.
    pub(crate) lines: Vec<String>,
    /// Its last counters.
    pub(crate) counters: Counters,
    /// What the sink has of it.
    pub(crate) environment: Environment,
}

impl Book {
    /// A counter.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.counters[name]
    }

    /// The numbers of the records that were acknowledged, once each.
    pub(crate) fn arrived(&self) -> HashSet<usize> {
        let copies = self.environment.copies.iter();
        copies
            .filter(|copy| copy.acknowledged)
            .map(|copy| copy.sequence)
            .collect()
    }

    /// The statements of the events that were not acknowledged.
    pub(crate) fn missing(&self) -> Vec<String> {
        let arrived = self.arrived();
        let numbered = (1..).zip(&self.taken);
        numbered
            .filter(|(number, _)| !arrived.contains(number))
            .map(|(_, event)| model::expectation(event))
            .collect()
    }

    /// How many acknowledged copies there are beyond one of each.
    pub(crate) fn doubled(&self) -> usize {
        let acknowledged =
            |copies: &[Arrival]| copies.iter().filter(|one| one.acknowledged).count();
        acknowledged(&self.environment.copies) - self.arrived().len()
    }
}

/// The environments of a sink's requests.
pub(crate) fn environments(sink: &Sink) -> Vec<Environment> {
    let mut known: Vec<String> = Vec::new();
    let mut found: Vec<Environment> = Vec::new();
    for one in sink.received() {
        if !one.complete {
            continue;
        }
        for record in model::records_of(&one) {
            let id = record.id().to_owned();
            let (name, number) = id.rsplit_once('-').expect("an id ends in a number");
            // A destination after the first has its number behind the word.
            let (name, own) = match name.trim_end_matches(['2', '3', '4']).strip_suffix("-own") {
                Some(name) => (name, true),
                None => (name, false),
            };
            assert_eq!(name.len(), 16, "an environment's name is 16 digits: {id}");
            let at = known
                .iter()
                .position(|known| known == name)
                .unwrap_or_else(|| {
                    known.push(name.to_owned());
                    found.push(Environment::default());
                    found.len() - 1
                });
            let copy = Arrival {
                acknowledged: one.acknowledged(),
                sequence: number.parse().expect("an id ends in a number"),
                record,
            };
            if own {
                found[at].own.push(copy);
            } else {
                found[at].copies.push(copy);
            }
        }
    }
    found
}

/// What a line on a destination's counters has behind its first word.
fn which(destination: Option<usize>) -> String {
    destination.map_or_else(String::new, |number| format!(" on destination {number}"))
}

/// The last counters that a process printed.
pub(crate) fn counters(lines: &[String]) -> Counters {
    counters_of(lines, None)
}

/// Those of one destination of several.
fn counters_of(lines: &[String], destination: Option<usize>) -> Counters {
    let head = format!("brooklet: debug: counters{}: [(", which(destination));
    let mut told = lines
        .iter()
        .filter_map(|line| line.strip_prefix(&head)?.strip_suffix(")]"));
    let (Some(text), None) = (told.next(), told.next()) else {
        panic!("a process tells its counters once: {lines:#?}");
    };
    let pairs = text.split("), (").map(|pair| {
        let (name, value) = pair.split_once(", ").expect("a name and a number");
        let value = value.parse().expect("a counter is a number");
        (name.trim_matches('"').to_owned(), value)
    });
    Counters(pairs.collect())
}

/// What a process printed as lost.
fn lost(lines: &[String], destination: Option<usize>) -> Option<BTreeMap<String, u64>> {
    let head = format!("brooklet: error: lost{}: ", which(destination));
    let told: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix(&head))
        .collect();
    assert!(told.len() <= 1, "losses are told once: {told:?}");
    let pairs = told.first()?.split(' ').map(|pair| {
        let (name, value) = pair.split_once('=').expect("a name and a number");
        (name.to_owned(), value.parse().expect("a number"))
    });
    Some(pairs.collect())
}

/// Opens the books of a run that is over; each environment of the sink is found among the processes.
pub(crate) fn open(run: &Run, sink: Option<&Sink>) -> Vec<Book> {
    open_of(run, sink, None)
}

/// Opens those of one destination of several.
pub(crate) fn open_of(run: &Run, sink: Option<&Sink>, destination: Option<usize>) -> Vec<Book> {
    let mut books: Vec<Book> = run
        .lambda
        .processes()
        .into_iter()
        .map(|(deliveries, printed)| {
            let lines: Vec<String> = printed.into_iter().map(|line| line.text).collect();
            Book {
                destination,
                taken: deliveries
                    .into_iter()
                    .filter(crate::lambda::telemetry::Delivery::taken)
                    .flat_map(|delivery| delivery.events)
                    .collect(),
                counters: counters_of(&lines, destination),
                lines,
                environment: Environment::default(),
            }
        })
        .collect();
    for environment in sink.map(environments).unwrap_or_default() {
        let fits = |book: &Book| {
            environment.copies.iter().all(|copy| {
                let event = copy.sequence.checked_sub(1).map(|at| book.taken.get(at));
                let event = event.flatten().map(model::expectation);
                event == Some(model::statement(&copy.record))
            })
        };
        let at = books.iter().position(fits).unwrap_or_else(|| {
            let first = environment.copies.first();
            panic!("no process was handed these records: {first:?} and after it")
        });
        assert!(
            books[at].environment.copies.is_empty(),
            "a process has one environment"
        );
        books[at].environment = environment;
    }
    books
}

/// Closes the books of a run that is over.
pub(crate) fn close(run: &Run, sink: Option<&Sink>, promise: Promise) -> Vec<Book> {
    close_of(run, sink, promise, None)
}

/// Closes those of one destination of several.
pub(crate) fn close_of(
    run: &Run,
    sink: Option<&Sink>,
    promise: Promise,
    destination: Option<usize>,
) -> Vec<Book> {
    let books = open_of(run, sink, destination);
    for (number, book) in books.iter().enumerate() {
        let whole = promise.last_whole && number + 1 == books.len();
        close_one(book, sink.is_some(), promise.heard, whole);
    }
    books
}

/// What was received and what brooklet wrote itself is what was delivered, left out or lost by name.
pub(crate) fn assert_balance(told: &Counters) {
    let sum = |names: &[&str]| -> u64 { names.iter().map(|name| told[*name]).sum() };
    assert_eq!(
        sum(&["received", "own"]),
        sum(&["delivered", "filtered", "joined"]) + sum(&GONE),
        "everything is accounted for at the end: {told:?}"
    );
}

/// What brooklet says of a process is said whole: it adds up, and losses are told on stderr.
pub(crate) fn assert_adds_up(book: &Book) {
    let told = &book.counters;
    assert_eq!(
        told["received"],
        book.taken.len() as u64,
        "what was handed over was received: {told:?}"
    );
    assert_balance(told);
    let losses: BTreeMap<String, u64> = LOSSES
        .iter()
        .map(|name| ((*name).to_owned(), told[*name]))
        .filter(|(_, value)| *value > 0)
        .collect();
    assert_eq!(
        lost(&book.lines, book.destination).unwrap_or_default(),
        losses,
        "losses are told on stderr; {:#?}",
        book.lines
    );
}

/// Closes the book of one process.
fn close_one(book: &Book, has_sink: bool, heard: bool, whole: bool) {
    assert_adds_up(book);
    let told = &book.counters;
    if !has_sink {
        assert_eq!(told["delivered"], 0, "nobody was there");
        return;
    }
    close_with_sink(book, heard, whole);
}

/// Processes whose prompt answers were not heard.
static STALLS: AtomicUsize = AtomicUsize::new(0);

/// Compares a process with what the sink has of it.
fn close_with_sink(book: &Book, heard: bool, whole: bool) {
    let told = &book.counters;
    let sum = |names: &[&str]| -> u64 { names.iter().map(|name| told[*name]).sum() };
    let environment = &book.environment;
    let acknowledged = |copies: &[Arrival]| copies.iter().filter(|one| one.acknowledged).count();
    let own: HashSet<usize> = environment
        .own
        .iter()
        .filter(|copy| copy.acknowledged)
        .map(|copy| copy.sequence)
        .collect();
    let copies = (acknowledged(&environment.copies) + acknowledged(&environment.own)) as u64;
    let doubled = book.doubled() + acknowledged(&environment.own) - own.len();
    // A machine that stands still for longer than SHUTDOWN is patient makes even a prompt answer unheard; not twice in a run.
    let stalled = heard && told["resent"] > 0 && STALLS.fetch_add(1, Ordering::Relaxed) == 0;
    if heard && !stalled {
        assert_eq!(
            copies, told["delivered"],
            "delivered is delivered: {told:?}"
        );
        assert_eq!(doubled, 0, "what was acknowledged came again: {told:?}");
    } else {
        assert!(copies >= told["delivered"], "{copies} copies, but {told:?}");
        assert!(
            doubled as u64 <= told["resent"],
            "{doubled} copies too many, not counted as sent again: {told:?}"
        );
    }
    let missing = book.missing();
    assert!(
        missing.len() as u64 <= sum(&GONE) + told["filtered"],
        "{} records are missing, and so many are not named: {told:?}; {:#?}",
        missing.len(),
        missing.iter().take(5).collect::<Vec<_>>()
    );
    if whole {
        assert_eq!(
            sum(&["dropped_by_buffer", "dropped_at_shutdown"]),
            0,
            "an outage that the buffer holds loses nothing: {told:?}"
        );
    }
    assert_order(environment);
    assert_same(environment);
    let stats: Vec<HashMap<String, u64>> = environment
        .own
        .iter()
        .filter(|copy| copy.acknowledged && copy.record.kind == "brooklet.stats")
        .map(|copy| serde_json::from_str(copy.record.json()).expect("counters"))
        .collect();
    for stats in &stats {
        model::assert_accounts(stats);
    }
    // One that takes nothing does not take this either.
    if told["dropped_at_shutdown"] == 0 && told["delivered"] > 0 {
        let last = stats.last().expect("a stats record ends the stream");
        assert_eq!(last["ended"], 1, "{last:?}");
        assert_eq!(last["received"], told["received"], "{last:?}");
    }
}

/// The first acknowledged copy of each record comes in the stream's order.
fn assert_order(environment: &Environment) {
    let mut seen = HashSet::new();
    let firsts: Vec<usize> = environment
        .copies
        .iter()
        .filter(|copy| copy.acknowledged && seen.insert(copy.sequence))
        .map(|copy| copy.sequence)
        .collect();
    assert!(
        firsts.is_sorted(),
        "out of order: {:?}",
        firsts.windows(2).find(|pair| pair[0] > pair[1])
    );
}

/// Every copy of a record, acknowledged or not, is the same.
fn assert_same(environment: &Environment) {
    let mut known: HashMap<usize, &Record> = HashMap::new();
    for copy in &environment.copies {
        let first = *known.entry(copy.sequence).or_insert(&copy.record);
        assert_eq!(*first, copy.record, "two records have one id");
    }
}

/// The requests that hold a record that says this, with how many records they hold.
pub(crate) fn requests_with(sink: &Sink, text: &str) -> Vec<(Arc<Received>, usize)> {
    let all = sink.received();
    let complete = all.into_iter().filter(|request| request.complete);
    complete
        .filter_map(|request| {
            let records = model::records_of(&request);
            let held = records.iter().any(|record| record.holds(text));
            held.then_some((request, records.len()))
        })
        .collect()
}
