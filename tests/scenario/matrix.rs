//! The matrix: every destination with every strategy with every kind of function, 350 cells.
//!
//! Each cell is a life of its own of the binary under test, from init to SHUTDOWN, with freezing on. Each asserts: how
//! long every invocation was held, the books (see `books.rs`: conservation, order, duplicates), memory, threads, and a
//! SHUTDOWN in its time. Times are scaled down: the budget is [`BUDGET_MS`], a slow destination takes three times as
//! long, an outage some requests. One test a destination; a failure names its cells.
//!
//! Cells wait most of the time, so [`SLOTS`] of them run at once. A hold that is too long may then be the machine's:
//! such a cell runs again alone, and only what it says then counts. Must not test anything that one scenario of its
//! own shows better.

use super::books::{self, Book, LOG_LEVEL, Promise};
use crate::harness::{Run, Scenario};
use crate::lambda::function::{Ending, Invocation};
use crate::lambda::process::Exit;
use crate::lambda::{InvocationReport, Outcome};
use crate::noise;
use crate::sink::Sink;
use crate::sink::place::Place;
use crate::sink::script::{Deed, Reply, Script, tastes};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// The budget of every cell.
const BUDGET_MS: u64 = 200;

/// What the machine may add to it.
const GRACE: Duration = Duration::from_millis(20);

/// Cells that run at once.
const SLOTS: usize = 12;

/// Times a cell runs alone before its hold is believed.
const TRIES_ALONE: usize = 2;

/// What the destination does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// It takes everything at once.
    Healthy,
    /// It takes everything, three budgets later.
    Slow,
    /// It never answers.
    Hanging,
    /// Its port is closed.
    Refusing,
    /// It resets the connection in the middle of the body.
    Resetting,
    /// It answers 429 with `Retry-After: 1` twice, then takes everything.
    Throttling,
    /// It answers 500 for a while, then takes everything.
    Failing,
    /// It answers 400 as long as one record is in the payload.
    Poisoned,
    /// It fails every other time, each time in another way.
    Flapping,
    /// Its name does not resolve.
    Unresolvable,
}

/// `BROOKLET_FLUSH`, or another kind of function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    End,
    Next,
    Periodic,
    Adaptive,
    ManagedInstances,
}

/// What the function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    /// Three lines, and done.
    Fast,
    /// It works for longer than a budget.
    Slow,
    /// It prints nothing.
    Silent,
    /// 5,000 lines at once.
    Loud,
    /// Some of its invocations run into the function's timeout.
    TimesOut,
    /// Some of its invocations kill the runtime.
    Crashes,
    /// It is frozen for longer than any request may take.
    FrozenForLong,
}

/// Every kind of destination.
pub(super) const TARGETS: [Target; 10] = [
    Target::Healthy,
    Target::Slow,
    Target::Hanging,
    Target::Refusing,
    Target::Resetting,
    Target::Throttling,
    Target::Failing,
    Target::Poisoned,
    Target::Flapping,
    Target::Unresolvable,
];

const STRATEGIES: [Strategy; 5] = [
    Strategy::End,
    Strategy::Next,
    Strategy::Periodic,
    Strategy::Adaptive,
    Strategy::ManagedInstances,
];

const FUNCTIONS: [Function; 7] = [
    Function::Fast,
    Function::Slow,
    Function::Silent,
    Function::Loud,
    Function::TimesOut,
    Function::Crashes,
    Function::FrozenForLong,
];

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    target: Target,
    strategy: Strategy,
    function: Function,
}

#[test]
fn a_healthy_destination() {
    matrix(Target::Healthy);
}

#[test]
fn a_slow_destination() {
    matrix(Target::Slow);
}

#[test]
fn a_hanging_destination() {
    matrix(Target::Hanging);
}

#[test]
fn a_refusing_destination() {
    matrix(Target::Refusing);
}

#[test]
fn a_resetting_destination() {
    matrix(Target::Resetting);
}

#[test]
fn a_throttling_destination() {
    matrix(Target::Throttling);
}

#[test]
fn a_failing_destination() {
    matrix(Target::Failing);
}

#[test]
fn a_poisoned_destination() {
    matrix(Target::Poisoned);
}

#[test]
fn a_flapping_destination() {
    matrix(Target::Flapping);
}

#[test]
fn an_unresolvable_destination() {
    matrix(Target::Unresolvable);
}

/// `BROOKLET_CELL=<part of a cell's name>` runs some cells alone.
fn chosen(cell: &Cell) -> bool {
    std::env::var("BROOKLET_CELL").is_ok_and(|part| format!("{cell:?}").contains(&part))
        || std::env::var_os("BROOKLET_CELL").is_none()
}

/// Runs every cell of a destination.
fn matrix(target: Target) {
    let cells: Vec<Cell> = STRATEGIES
        .into_iter()
        .flat_map(|strategy| {
            FUNCTIONS.into_iter().map(move |function| Cell {
                target,
                strategy,
                function,
            })
        })
        .filter(chosen)
        .collect();
    let verdicts: Vec<(Cell, Verdict)> = std::thread::scope(|scope| {
        let running: Vec<_> = cells
            .iter()
            .map(|cell| {
                std::thread::Builder::new()
                    .name(format!("{cell:?}"))
                    .spawn_scoped(scope, move || {
                        let _slot = Slot::take();
                        let began = Instant::now();
                        let verdict = try_cell(*cell, false);
                        eprintln!("{cell:?}: {:?}", began.elapsed());
                        verdict
                    })
                    .expect("a thread starts")
            })
            .collect();
        let verdicts = running.into_iter().map(|one| {
            one.join()
                .expect("what a cell panics with is caught inside")
        });
        cells.iter().copied().zip(verdicts).collect()
    });
    let mut failed = Vec::new();
    for (cell, mut verdict) in verdicts {
        for number in 1..=TRIES_ALONE {
            let Verdict::Held(why) = &verdict else { break };
            eprintln!("{cell:?}: {why}; alone, time {number}");
            verdict = try_cell(cell, true);
        }
        match verdict {
            Verdict::Good => {}
            Verdict::Held(why) | Verdict::Wrong(why) => failed.push(format!("{cell:?}: {why}")),
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} cells failed:\n{}",
        failed.len(),
        cells.len(),
        failed.join("\n")
    );
}

/// What came of a cell.
enum Verdict {
    Good,
    /// An invocation was held for too long, which may be the machine's fault.
    Held(String),
    /// Something else is wrong.
    Wrong(String),
}

/// A place among the cells that run at once.
struct Slot;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

impl Slot {
    fn take() -> Self {
        let taken = TAKEN.lock().expect("nobody panics with the lock");
        let mut taken = FREED
            .wait_while(taken, |taken| *taken >= SLOTS)
            .expect("nobody panics with the lock");
        *taken += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *TAKEN.lock().expect("nobody panics with the lock") -= 1;
        FREED.notify_all();
    }
}

/// Runs a cell, and catches what it panics with.
fn try_cell(cell: Cell, alone: bool) -> Verdict {
    let caught = catch_unwind(AssertUnwindSafe(|| live(cell, alone)));
    match caught {
        Ok(None) => Verdict::Good,
        Ok(Some(why)) => Verdict::Held(why),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Verdict::Wrong(text.unwrap_or_default())
        }
    }
}

/// What the poisonous record says.
const POISON: &str = "this one is poison";

impl Target {
    /// A destination of which this is so.
    fn place(self) -> Place {
        let script = match self {
            Self::Healthy => Script::always(Reply::ok()),
            Self::Slow => Script::always(Reply::ok().after_ms(3 * BUDGET_MS)),
            Self::Hanging => Script::always(Reply::hang()),
            Self::Resetting => Script::always(Reply::deed(Deed::ResetInBody(60))),
            Self::Throttling => {
                let throttled = || Reply::status(429).header("Retry-After", "1");
                Script::first([throttled(), throttled()])
            }
            Self::Failing => Script::first([500, 503, 500, 502, 500].map(Reply::status)),
            Self::Poisoned => Script::always(Reply::deed(Deed::Judge(tastes))),
            Self::Flapping => Script::first([
                Reply::ok(),
                Reply::status(500),
                Reply::ok(),
                Reply::deed(Deed::ResetInBody(60)),
                Reply::ok(),
                Reply::deed(Deed::CloseBeforeAnswer),
                Reply::ok(),
                Reply::status(503).closing(),
            ]),
            Self::Refusing => return Place::refusing(),
            Self::Unresolvable => return Place::unresolvable(),
        };
        Place::scripted(script)
    }

    /// It never takes anything.
    fn is_dead(self) -> bool {
        matches!(
            self,
            Self::Hanging | Self::Refusing | Self::Resetting | Self::Unresolvable
        )
    }

    /// It comes to itself before the end.
    fn recovers(self) -> bool {
        !self.is_dead() && self != Self::Slow
    }
}

impl Strategy {
    fn word(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Next => "next",
            Self::Periodic => "periodic:100",
            Self::Adaptive | Self::ManagedInstances => "adaptive",
        }
    }

    /// It may hold an invocation.
    fn holds(self) -> bool {
        matches!(self, Self::End | Self::Adaptive)
    }
}

impl Function {
    /// Its invocations, in order; the last one is always well.
    fn invocations(self, cell: Cell) -> Vec<Invocation> {
        let poisoned = |invocation: Invocation| {
            if cell.target == Target::Poisoned {
                invocation.print(POISON)
            } else {
                invocation
            }
        };
        let fast = || Invocation::lines(3);
        match self {
            Self::Fast => {
                // Enough of them for `adaptive` to call them frequent.
                let mut all = vec![poisoned(fast())];
                all.extend((0..9).map(|_| fast()));
                all
            }
            Self::Slow => vec![
                poisoned(fast()).works_ms(BUDGET_MS + 100).print("last"),
                fast().works_ms(BUDGET_MS + 100).print("last"),
                fast().works_ms(BUDGET_MS + 100).print("last"),
            ],
            Self::Silent => vec![Invocation::silent(); 5],
            // Twice is more than the buffer holds.
            Self::Loud if cell.target.is_dead() => vec![
                Invocation::silent().burst(5_000, 100),
                Invocation::silent().burst(5_000, 100),
                fast(),
            ],
            Self::Loud => vec![
                poisoned(Invocation::silent().burst(2_500, 100)).burst(2_500, 100),
                fast(),
                fast(),
            ],
            Self::TimesOut => vec![
                poisoned(fast()),
                fast().times_out(),
                fast(),
                fast().times_out(),
                fast(),
            ],
            Self::Crashes => vec![
                poisoned(fast()),
                fast().crashes(),
                fast().crashes(),
                fast(),
                fast(),
            ],
            Self::FrozenForLong => vec![poisoned(fast()), fast(), fast(), fast()],
        }
    }

    /// How long the environment stands still after an invocation.
    fn frozen(self, number: usize) -> Duration {
        match (self, number) {
            // Longer than a connection is kept, and than any request may take.
            (Self::FrozenForLong, 1) => Duration::from_millis(5_200),
            (Self::FrozenForLong, _) => Duration::from_millis(700),
            _ => Duration::ZERO,
        }
    }

    /// The function's timeout.
    fn timeout(self) -> Duration {
        match self {
            Self::TimesOut => Duration::from_millis(600),
            _ => Duration::from_secs(10),
        }
    }
}

/// The listener's port of the next cell; a process that is replaced keeps its cell's.
static PORT: AtomicU16 = AtomicU16::new(22_000);

/// Lives through a cell; says what was held for too long, if anything was.
fn live(cell: Cell, alone: bool) -> Option<String> {
    let Cell {
        target,
        strategy,
        function,
    } = cell;
    let place = target.place();
    let budget = BUDGET_MS.to_string();
    let port = PORT.fetch_add(1, Ordering::Relaxed).to_string();
    let mut scenario = Scenario::to(&place.url)
        .option("FLUSH", strategy.word())
        .option("FLUSH_BUDGET_MS", &budget)
        .option("LOG_LEVEL", LOG_LEVEL)
        .option("PORT", &port)
        .lambda(|setup| {
            setup.timeout = function.timeout();
            if target.is_dead() || target == Target::Slow {
                setup.shutdown_limit = Duration::from_millis(800);
            }
        });
    if strategy == Strategy::ManagedInstances {
        scenario = scenario.managed();
    }
    if alone {
        scenario = scenario.alone();
    }
    let mut run = scenario.start();
    let invocations = function.invocations(cell);
    let mut held = Vec::new();
    if strategy == Strategy::ManagedInstances {
        for (number, pair) in invocations.chunks(2).enumerate() {
            run.lambda.invoke_together(pair);
            run.lambda.stays_in_next(function.frozen(number));
        }
        recover(&place, target);
    } else {
        let mut holds = Holds::default();
        for (number, invocation) in invocations.iter().enumerate() {
            let last = number + 1 == invocations.len();
            if last {
                recover(&place, target);
            }
            let report = invoke(&mut run, invocation);
            held.extend(holds.judge(cell, number, &report));
            if !last {
                run.lambda.stays_in_next(function.frozen(number));
            }
        }
    }
    run.finish();
    close(&run, &place, cell);
    (!held.is_empty()).then(|| held.join(", "))
}

/// Ends the outage of a destination that has one.
fn recover(place: &Place, target: Target) {
    if let (Some(sink), true) = (&place.sink, target.recovers() && target != Target::Poisoned) {
        sink.set(Script::always(Reply::ok()));
    }
}

/// Invokes; a process that was ended must have ended well.
fn invoke(run: &mut Run, invocation: &Invocation) -> InvocationReport {
    let report = run.invoke(invocation);
    if matches!(invocation.ending, Ending::Timeout | Ending::Crash) {
        let exit = run.lambda.wait_exit(Duration::ZERO);
        assert_eq!(exit, Some(Exit::Code(0)), "{}", run.printed());
        assert!(run.lambda.drained(Duration::from_secs(2)));
    }
    report
}

/// What was seen of the holds of one process.
#[derive(Debug, Default)]
struct Holds {
    /// Invocations that were held at all.
    held: usize,
}

impl Holds {
    /// What is wrong with an invocation's hold, if anything is.
    fn judge(&mut self, cell: Cell, number: usize, report: &InvocationReport) -> Option<String> {
        let hold = report.hold;
        if report.outcome != Outcome::Finished {
            // Another process comes, which knows nothing.
            *self = Self::default();
            return None;
        }
        self.held += usize::from(hold > noise::free());
        let too_long = if !cell.strategy.holds() {
            hold > noise::free()
        } else {
            // The second may have been awaited because the first was cut by a freeze.
            hold > Duration::from_millis(BUDGET_MS) + GRACE
                || (cell.target.is_dead() && self.held > 2 && hold > noise::free())
        };
        too_long.then(|| format!("invocation {number} was held {hold:?}"))
    }
}

/// Closes the books of a cell.
fn close(run: &Run, place: &Place, cell: Cell) {
    let sink = place.sink.as_ref();
    let heard = !matches!(cell.target, Target::Slow) && cell.function != Function::FrozenForLong;
    let promise = Promise {
        heard,
        last_whole: cell.target.recovers(),
    };
    let books = books::close(run, sink, promise);
    let sum = |name: &str| -> u64 { books.iter().map(|book| book.count(name)).sum() };
    assert_eq!(sum("panics"), 0);
    assert_eq!(
        sum("unreadable") + sum("filtered") + sum("dead_lettered"),
        0
    );
    let Some(sink) = sink else { return };
    if cell.target.is_dead() {
        assert_eq!(sum("delivered"), 0);
    }
    let poisonous = cell.target == Target::Poisoned && cell.function != Function::Silent;
    assert_eq!(
        sum("refused"),
        u64::from(poisonous),
        "{:?}",
        books[0].counters
    );
    if poisonous {
        assert_poison(run, sink, &books);
    }
}

/// The poisonous record was found, sent alone once, named once, and never sent again.
fn assert_poison(run: &Run, sink: &Sink, books: &[Book]) {
    let requests = books::requests_with(sink, POISON);
    let sizes: Vec<usize> = requests.iter().map(|(_, records)| *records).collect();
    assert_eq!(
        sizes.iter().filter(|size| **size == 1).count(),
        1,
        "it is sent alone once: {sizes:?}"
    );
    assert_eq!(sizes.last(), Some(&1), "and never again: {sizes:?}");
    let named = run
        .stderr()
        .iter()
        .filter(|line| line.contains("refused 1 records"))
        .count();
    assert_eq!(named, 1, "{}", run.printed());
    for book in books {
        let missing = book.missing();
        let others = missing.iter().filter(|one| !one.contains(POISON)).count();
        assert_eq!(others, 0, "{missing:#?}");
    }
}
