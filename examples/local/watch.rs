//! What happened since the last look, from everybody who took part, in the order of its time.
//!
//! It looks while the environment stands still, so that nothing is missed. Must not judge.

use crate::lambda::api::{self, ApiCall};
use crate::lambda::process::Exit;
use crate::lambda::shape::{Fact, Line};
use crate::lambda::{Lambda, ShutdownReport};
use crate::receiver;
use crate::screen::{Screen, Who, counted, grouped};
use crate::sink::{Received, Sink};
use std::io;
use std::time::{Duration, Instant};

/// So many lines or records of one kind in a row are shown; of more, the first two and the last.
const SHOWN: usize = 6;

/// Something that happened.
#[derive(Debug)]
struct Moment {
    /// When.
    at: Instant,
    /// Whose doing it was.
    who: Who,
    /// What it was.
    text: String,
    /// What belongs to it, and who said that, where it was not the platform.
    below: Vec<(Option<Who>, String)>,
}

impl Moment {
    /// Something with nothing below it.
    fn new(at: Instant, who: Who, text: impl Into<String>) -> Self {
        Self {
            at,
            who,
            text: text.into(),
            below: Vec::new(),
        }
    }
}

/// What was shown already.
#[derive(Debug)]
pub(crate) struct Watch {
    /// When the extension was started.
    started: Instant,
    /// How many facts.
    facts: usize,
    /// How many API calls.
    calls: usize,
    /// How many batches of telemetry.
    posts: usize,
    /// How many requests at the receiver.
    requests: usize,
    /// How many lines of the extension's own.
    lines: usize,
    /// How many freezes, and how many thaws.
    frozen: (usize, usize),
    /// How long the last invocation was held.
    held: Option<Duration>,
    /// What nobody else keeps.
    extra: Vec<Moment>,
}

impl Watch {
    /// Nothing was shown yet.
    pub(crate) fn new(started: Instant, with: &str) -> Self {
        Self {
            started,
            facts: 0,
            calls: 0,
            posts: 0,
            requests: 0,
            lines: 0,
            frozen: (0, 0),
            held: None,
            extra: vec![Moment::new(
                started,
                Who::Lambda,
                format!("starts the extension with {with}"),
            )],
        }
    }

    /// The extension let an invocation go after holding it so long.
    pub(crate) fn released(&mut self, held: Duration) {
        self.held = Some(held);
    }

    /// The environment was shut down.
    pub(crate) fn ended(&mut self, lambda: &Lambda, end: &ShutdownReport) {
        let Some(told) = lambda.extension(|extension| extension.given_at) else {
            return;
        };
        self.extra.push(Moment::new(
            told,
            Who::Lambda,
            format!(
                "says SHUTDOWN; what lives after {} ms is killed",
                lambda.setup().shutdown_limit.as_millis()
            ),
        ));
        if let Some(Exit::Code(code)) = end.exit {
            self.extra.push(Moment::new(
                told + end.took,
                Who::Brooklet,
                format!("exits with code {code}"),
            ));
        }
    }

    /// Shows what is new.
    pub(crate) fn show(
        &mut self,
        lambda: &Lambda,
        sink: &Sink,
        screen: &mut Screen,
    ) -> io::Result<()> {
        let mut moments = std::mem::take(&mut self.extra);
        self.of_lambda(lambda, &mut moments);
        self.of_brooklet(lambda, &mut moments);
        let requests = sink.received();
        for (number, request) in (1..).zip(&requests).skip(self.requests) {
            moments.push(of_request(number, request));
        }
        self.requests = requests.len();
        moments.sort_by_key(|moment| moment.at);
        let mut rest = moments.as_slice();
        while !rest.is_empty() {
            let lines = rest
                .iter()
                .take_while(|moment| moment.who == Who::Function)
                .count();
            for at in shown(lines.max(1)) {
                match at {
                    Shown::This(at) => {
                        if let Some(moment) = rest.get(at) {
                            self.show_moment(moment, screen)?;
                        }
                    }
                    Shown::More(count) => screen.below(None, &more(count, "line"))?,
                }
            }
            rest = rest.get(lines.max(1)..).unwrap_or_default();
        }
        Ok(())
    }

    /// Shows one thing that happened.
    fn show_moment(&self, moment: &Moment, screen: &mut Screen) -> io::Result<()> {
        let millis = moment
            .at
            .saturating_duration_since(self.started)
            .as_secs_f64()
            * 1_000.0;
        screen.event(millis, moment.who, &moment.text)?;
        moment
            .below
            .iter()
            .try_for_each(|(who, line)| screen.below(*who, line))
    }

    /// What the platform and the function did.
    fn of_lambda(&mut self, lambda: &Lambda, moments: &mut Vec<Moment>) {
        let facts = lambda.told();
        for (at, fact) in facts.iter().skip(self.facts) {
            let (who, text) = match fact {
                Fact::InitRuntimeDone(_) => (Who::Lambda, "the function is initialised".to_owned()),
                Fact::Start { .. } => (
                    Who::Lambda,
                    "invokes the function, and tells brooklet".to_owned(),
                ),
                Fact::Function(line) => {
                    let text = text_of(line);
                    let mut lines = text.lines().map(str::to_owned);
                    moments.push(Moment {
                        at: *at,
                        who: Who::Function,
                        text: lines.next().unwrap_or_default(),
                        below: lines.map(|line| (Some(Who::Function), line)).collect(),
                    });
                    continue;
                }
                Fact::RuntimeDone {
                    status,
                    duration_ms,
                    ..
                } => (
                    Who::Lambda,
                    format!("the function is done: {}, {duration_ms:.1} ms", status.word),
                ),
                _ => continue,
            };
            moments.push(Moment::new(*at, who, text));
        }
        self.facts = facts.len();
        let posts = lambda.posts();
        for (at, events) in posts.iter().skip(self.posts) {
            let events = counted(*events, "event");
            moments.push(Moment::new(
                *at,
                Who::Lambda,
                format!("gives brooklet a batch of telemetry: {events}"),
            ));
        }
        self.posts = posts.len();
        let frozen = lambda.frozen();
        for (from, _) in frozen.iter().skip(self.frozen.0) {
            moments.push(Moment::new(
                *from,
                Who::Lambda,
                "freezes the environment: nothing in it runs",
            ));
        }
        let thawed: Vec<_> = frozen
            .iter()
            .filter_map(|(from, until)| Some((*from, (*until)?)))
            .collect();
        for (from, until) in thawed.iter().skip(self.frozen.1) {
            let stood = until.saturating_duration_since(*from).as_millis();
            moments.push(Moment::new(
                *until,
                Who::Lambda,
                format!("thaws the environment, which stood still for {stood} ms"),
            ));
        }
        self.frozen = (frozen.len(), thawed.len());
    }

    /// What the extension did.
    fn of_brooklet(&mut self, lambda: &Lambda, moments: &mut Vec<Moment>) {
        let calls = lambda.calls();
        for call in calls.iter().skip(self.calls) {
            let text = match call.path.as_str() {
                api::NEXT => self.asks(call),
                api::REGISTER => format!(
                    "registers for {}: now the function may start",
                    list(call, "events")
                ),
                api::TELEMETRY => {
                    format!("subscribes to the Telemetry API: {}", list(call, "types"))
                }
                api::LOGS => format!("subscribes to the Logs API: {}", list(call, "types")),
                other => format!("{} {other}", call.method),
            };
            moments.push(Moment::new(call.at, Who::Brooklet, text));
        }
        self.calls = calls.len();
        let printed = lambda.printed();
        for line in printed.iter().skip(self.lines) {
            let text = format!("prints: {}", line.text);
            moments.push(Moment::new(line.at, Who::Brooklet, text));
        }
        self.lines = printed.len();
    }

    /// A request for an event.
    fn asks(&mut self, call: &ApiCall) -> String {
        match self.held.take() {
            Some(held) => format!(
                "asks for the next event: it held the environment for {:.1} ms",
                held.as_secs_f64() * 1_000.0
            ),
            None => format!(
                "asks for the first event: ready {:.1} ms after its start",
                call.at
                    .saturating_duration_since(self.started)
                    .as_secs_f64()
                    * 1_000.0
            ),
        }
    }
}

/// The words of a list in a call's body.
fn list(call: &ApiCall, name: &str) -> String {
    let body = call.json();
    let words = body.get(name).and_then(|value| value.as_array());
    let words = words.into_iter().flatten().filter_map(|one| one.as_str());
    words.collect::<Vec<_>>().join(", ")
}

/// What the function printed.
pub(crate) fn text_of(line: &Line) -> String {
    match line {
        Line::Text(text) | Line::Json { text, .. } | Line::Value(text) => text.clone(),
    }
}

/// A request at the receiver.
fn of_request(number: usize, request: &Received) -> Moment {
    let body = request.body();
    let sizes = match request.header("content-encoding") {
        Some(coding) => format!(
            "{} bytes as {} of {coding}",
            grouped(body.len() as u64),
            grouped(request.raw.len() as u64)
        ),
        None => format!("{} bytes", grouped(body.len() as u64)),
    };
    let Some(records) = receiver::records(request) else {
        let text = format!("request {number}: {sizes}, which is no array of records");
        return Moment::new(request.at, Who::Receiver, text);
    };
    let count = counted(records.len(), "record");
    let mut below = Vec::new();
    let mut rest = records.as_slice();
    while let [first, ..] = rest {
        let run = rest
            .iter()
            .take_while(|record| record.kind == first.kind)
            .count();
        let who = (first.kind == "function").then_some(Who::Function);
        for at in shown(run) {
            match at {
                Shown::This(at) => {
                    let record = rest.get(at).map(|record| record.says.as_str());
                    let text = format!("{:<24} {}", first.kind, record.unwrap_or_default());
                    below.push((who, text));
                }
                Shown::More(count) => below.push((None, more(count, "record"))),
            }
        }
        rest = rest.get(run..).unwrap_or_default();
    }
    Moment {
        below,
        ..Moment::new(
            request.at,
            Who::Receiver,
            format!("request {number}: {count}, {sizes}"),
        )
    }
}

/// What is shown of a row of equals.
enum Shown {
    /// The one at this place.
    This(usize),
    /// That there are so many more.
    More(usize),
}

/// What is shown of so many equals in a row.
fn shown(count: usize) -> Vec<Shown> {
    if count <= SHOWN {
        (0..count).map(Shown::This).collect()
    } else {
        vec![
            Shown::This(0),
            Shown::This(1),
            Shown::More(count - 3),
            Shown::This(count - 1),
        ]
    }
}

/// That something is left out.
fn more(count: usize, what: &str) -> String {
    format!("... {} {what}s more ...", grouped(count as u64))
}
