//! The platform's telemetry dispatcher: what it keeps, when it posts, what it drops.
//!
//! Events wait until one of the subscription's limits is hit, then go out in one POST at a time over
//! a connection that is kept. What happened during init is kept and replayed to a late subscriber.
//! While the environment is frozen nothing is sent. Must not know why anything happened.

use super::post::{Carriage, Connection, batch, post};
use super::shape::{Fact, Schema, World, shape};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// One element of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its time, as sent.
    pub(crate) time: String,
    /// Its type, as sent.
    pub(crate) kind: String,
    /// Its record: JSON, as sent.
    pub(crate) record: String,
}

impl Event {
    /// The event as an element of a batch.
    pub(crate) fn json(&self) -> String {
        format!(
            r#"{{"time":"{}","type":"{}","record":{}}}"#,
            self.time, self.kind, self.record
        )
    }
}

/// What a subscriber asked for.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    /// The API and schema.
    pub(crate) schema: Schema,
    /// `platform`, `function`, `extension`.
    pub(crate) types: Vec<String>,
    /// The listener's port.
    pub(crate) port: u16,
    /// The URI's path.
    pub(crate) path: String,
    /// Events in a batch at most.
    pub(crate) max_items: usize,
    /// Bytes in a batch, about.
    pub(crate) max_bytes: usize,
    /// How long an event waits at most.
    pub(crate) timeout: Duration,
}

/// One POST to the listener.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// When it was sent.
    pub(crate) sent: Instant,
    /// How long the answer took, a freeze in between included.
    pub(crate) latency: Duration,
    /// How long after SHUTDOWN it was sent; `None` before it.
    pub(crate) since_end: Option<Duration>,
    /// Whether the process was frozen in between.
    pub(crate) across_freeze: bool,
    /// The answer's status, or why there was none.
    pub(crate) result: Result<u16, String>,
    /// What was in it.
    pub(crate) events: Vec<Event>,
    /// Which of the listener's connections carried it, from 1.
    pub(crate) connection: u64,
}

impl Delivery {
    /// Whether the listener took it.
    pub(crate) fn taken(&self) -> bool {
        matches!(self.result, Ok(200..=299))
    }
}

/// The dispatcher's state.
#[derive(Debug)]
struct Inner {
    world: World,
    told: Vec<(Instant, Fact)>,
    posts: Vec<(Instant, usize)>,
    init_history: Vec<(String, Fact)>,
    keeps_history: bool,
    subscription: Option<Subscription>,
    queue: VecDeque<Event>,
    queued_bytes: usize,
    oldest: Option<Instant>,
    paused: bool,
    freezes: u64,
    not_before: Option<Instant>,
    ended: Option<Instant>,
    flush: bool,
    in_flight: bool,
    deliveries: Vec<Delivery>,
    dropped: u64,
    closed: bool,
}

/// The dispatcher; one for each process of the extension.
#[derive(Debug)]
pub(crate) struct Hub {
    inner: Mutex<Inner>,
    changed: Condvar,
    carriage: Carriage,
}

impl Hub {
    /// A dispatcher without subscriber; its thread runs until `close`.
    pub(crate) fn start(world: World, carriage: Carriage) -> Arc<Self> {
        let hub = Arc::new(Self {
            inner: Mutex::new(Inner {
                world,
                told: Vec::new(),
                posts: Vec::new(),
                init_history: Vec::new(),
                keeps_history: true,
                subscription: None,
                queue: VecDeque::new(),
                queued_bytes: 0,
                oldest: None,
                paused: false,
                freezes: 0,
                not_before: None,
                ended: None,
                flush: false,
                in_flight: false,
                deliveries: Vec::new(),
                dropped: 0,
                closed: false,
            }),
            changed: Condvar::new(),
            carriage,
        });
        let runner = Arc::clone(&hub);
        std::thread::Builder::new()
            .name("telemetry".into())
            .spawn(move || runner.run())
            .expect("a thread starts");
        hub
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("no thread panics with the dispatcher's lock")
    }

    /// Something happened now.
    pub(crate) fn tell(&self, fact: Fact) {
        let time = self.carriage.time();
        let mut inner = self.lock();
        inner.enqueue(&time, &fact);
        if inner.keeps_history && fact.of_init() {
            inner.init_history.push((time, fact.clone()));
        }
        inner.told.push((Instant::now(), fact));
        drop(inner);
        self.changed.notify_all();
    }

    /// Somebody subscribed: what is kept goes to them first.
    pub(crate) fn subscribe(&self, subscription: Subscription) {
        let mut inner = self.lock();
        let repeated = inner.subscription.replace(subscription).is_some();
        if !repeated {
            for (time, fact) in inner.init_history.clone() {
                inner.enqueue(&time, &fact);
            }
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Who listens.
    pub(crate) fn subscription(&self) -> Option<Subscription> {
        self.lock().subscription.clone()
    }

    /// Nobody may subscribe any more; init events need not be kept.
    pub(crate) fn end_init(&self) {
        let mut inner = self.lock();
        inner.keeps_history = false;
        inner.init_history.clear();
    }

    /// The environment freezes (`true`) or thaws.
    pub(crate) fn pause(&self, paused: bool) {
        let mut inner = self.lock();
        inner.paused = paused;
        inner.freezes += u64::from(paused);
        drop(inner);
        self.changed.notify_all();
    }

    /// Nothing is sent before this instant.
    pub(crate) fn not_before(&self, at: Instant) {
        self.lock().not_before = Some(at);
        self.changed.notify_all();
    }

    /// The process is told now to end.
    pub(crate) fn end(&self) {
        self.lock().ended = Some(Instant::now());
    }

    /// Sends what waits without waiting for its timer, as when a stream closes.
    pub(crate) fn flush(&self) {
        self.lock().flush = true;
        self.changed.notify_all();
    }

    /// Waits until nothing waits and nothing is under way; false when `limit` passed first.
    pub(crate) fn drained(&self, limit: Duration) -> bool {
        let (inner, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |inner| {
                !inner.closed
                    && inner.subscription.is_some()
                    && (inner.in_flight || !inner.queue.is_empty())
            })
            .expect("no thread panics with the dispatcher's lock");
        inner.queue.is_empty() && !inner.in_flight
    }

    /// Everything that happened so far, whether anybody subscribed to it or not.
    pub(crate) fn told(&self) -> Vec<(Instant, Fact)> {
        self.lock().told.clone()
    }

    /// When each POST began, answered or not, and how many events it had.
    pub(crate) fn posts(&self) -> Vec<(Instant, usize)> {
        self.lock().posts.clone()
    }

    /// Every POST so far that is over.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.lock().deliveries.clone()
    }

    /// Waits until the deliveries so far satisfy a condition; false when `limit` passed first.
    pub(crate) fn wait(&self, limit: Duration, enough: impl Fn(&[Delivery]) -> bool) -> bool {
        let (inner, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |inner| {
                !inner.closed && !enough(&inner.deliveries)
            })
            .expect("no thread panics with the dispatcher's lock");
        enough(&inner.deliveries)
    }

    /// How many events the platform dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Ends the thread.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The thread: waits for a batch to be due, posts it, waits for its answer.
    fn run(&self) {
        let mut line: Option<Connection> = None;
        let mut connections = 0;
        while let Some((events, subscription)) = self.next_batch() {
            let body = batch(&events);
            let mut tries = 0;
            loop {
                let sent = Instant::now();
                let freezes = {
                    let mut inner = self.lock();
                    inner.posts.push((sent, events.len()));
                    inner.freezes
                };
                let result = post(
                    &mut line,
                    &mut connections,
                    &subscription,
                    &self.carriage,
                    &body,
                );
                let mut inner = self.lock();
                let delivery = Delivery {
                    sent,
                    latency: sent.elapsed(),
                    since_end: inner.ended.and_then(|at| sent.checked_duration_since(at)),
                    across_freeze: inner.freezes != freezes || inner.paused,
                    result,
                    events: events.clone(),
                    connection: connections,
                };
                let taken = delivery.taken();
                inner.deliveries.push(delivery);
                if !taken && tries < self.carriage.redeliveries && !inner.closed {
                    tries += 1;
                    drop(inner);
                    self.changed.notify_all();
                    continue;
                }
                if !taken {
                    inner.dropped += events.len() as u64;
                    let fact = Fact::LogsDropped {
                        records: events.len() as u64,
                        bytes: body.len() as u64,
                    };
                    let time = self.carriage.time();
                    // A dropped notice of a dropped notice would go round for ever.
                    if events
                        .iter()
                        .any(|event| event.kind != "platform.logsDropped")
                    {
                        inner.enqueue(&time, &fact);
                    }
                }
                inner.in_flight = false;
                drop(inner);
                self.changed.notify_all();
                break;
            }
        }
    }

    /// Waits until a batch is due and takes it; `None` when closed.
    fn next_batch(&self) -> Option<(Vec<Event>, Subscription)> {
        let mut inner = self.lock();
        loop {
            if inner.closed {
                return None;
            }
            let now = Instant::now();
            let wait = match inner.due(now) {
                Due::Now => break,
                Due::In(wait) => wait,
                Due::Never => Duration::from_secs(3_600),
            };
            inner = self
                .changed
                .wait_timeout(inner, wait)
                .expect("no thread panics with the dispatcher's lock")
                .0;
        }
        let subscription = inner.subscription.clone()?;
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < subscription.max_items && bytes < subscription.max_bytes {
            let Some(event) = inner.queue.pop_front() else {
                break;
            };
            bytes += event.record.len();
            inner.queued_bytes -= event.record.len();
            events.push(event);
        }
        if inner.queue.is_empty() {
            inner.oldest = None;
            inner.flush = false;
        }
        inner.in_flight = true;
        Some((events, subscription))
    }
}

/// When the next batch is to be sent.
enum Due {
    Now,
    In(Duration),
    Never,
}

impl Inner {
    fn enqueue(&mut self, time: &str, fact: &Fact) {
        let Some(subscription) = &self.subscription else {
            return;
        };
        if !subscription.types.iter().any(|kind| kind == fact.stream()) {
            return;
        }
        for (kind, record) in shape(fact, subscription.schema, &self.world) {
            self.queued_bytes += record.len();
            self.queue.push_back(Event {
                time: time.to_owned(),
                kind: kind.to_owned(),
                record,
            });
            self.oldest.get_or_insert_with(Instant::now);
        }
    }

    fn due(&self, now: Instant) -> Due {
        let (Some(subscription), Some(oldest), false) =
            (&self.subscription, self.oldest, self.paused)
        else {
            return Due::Never;
        };
        if let Some(later) = self
            .not_before
            .and_then(|at| at.checked_duration_since(now))
            .filter(|left| !left.is_zero())
        {
            return Due::In(later);
        }
        if self.flush
            || self.queue.len() >= subscription.max_items
            || self.queued_bytes >= subscription.max_bytes
        {
            return Due::Now;
        }
        match (oldest + subscription.timeout).checked_duration_since(now) {
            Some(left) if !left.is_zero() => Due::In(left),
            _ => Due::Now,
        }
    }
}
