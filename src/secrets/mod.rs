//! Secrets by reference: fetched from AWS Secrets Manager and Parameter Store, within a budget, in as few calls as they allow.
//!
//! A value goes to whoever asked and nowhere else: no line, no error and no `Debug` may hold one.
//! Whoever cannot be served is told why; nothing here may end the process.

mod batch;
mod reference;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

pub use reference::{MARK, Reference};

use self::batch::{Ask, Take};
use crate::aws::{self, Api, Refusal};
use crate::error::Error;
use crate::fault;
use crate::http::{self, Client};
use crate::link::{self, Found, Hurry, KeepEnd, Parts};
use crate::send::retry;
use crate::stats::Stats;
use crate::time::{self, Deadline};

/// How secrets are fetched.
#[derive(Debug)]
pub struct Options {
    /// Keys, region, endpoints.
    pub aws: aws::Options,
    /// Certificates to trust; no proxy, as that is the destinations'.
    pub http: http::Options,
    /// The longest that fetching may take, all calls and tries together.
    pub budget: Duration,
}

/// Of the time that is left a try may take this part, so that one that hangs is not the last.
const TRY_SHARE: u32 = 2;

/// A fetch that took so much longer than it might was frozen on its way, and says nothing.
const FROZEN_MIN: Duration = Duration::from_millis(500);

/// A fetch, at which a thread works for each service and region.
struct Fetch {
    /// How.
    options: Arc<Options>,
    /// When it must be over; each has the whole budget: a service that cannot be reached must not cost another one's secrets.
    deadline: Deadline,
    /// Breaks off waiting for an answer.
    hurry: Hurry,
    /// What is fetched.
    references: Vec<Reference>,
}

/// Fetches secrets: one call for each service and region at the same time, more only where there are more secrets than one may ask for, or where one that may not be read spoils it.
#[must_use]
pub fn fetch(options: &Arc<Options>, references: &[Reference], hurry: &Hurry) -> Found {
    let fetch = Arc::new(Fetch {
        options: Arc::clone(options),
        deadline: Deadline::after(options.budget),
        hurry: hurry.clone(),
        references: references.to_vec(),
    });
    let (parts, told) = Parts::new(references.len());
    for at in 1..references.len() {
        if !is_first(references, at) {
            continue;
        }
        let (fetch, parts) = (Arc::clone(&fetch), parts.clone());
        let work = move || parts.tell(fetch.part(at));
        // Without the thread, or if it panics, its part is missing.
        drop(link::spawn("secrets-more", None, Box::new(work)));
    }
    drop(parts);
    let mut found = fetch.part(0);
    found.add(&told);
    found
}

/// Whether a secret is the first one of its service and region.
fn is_first(references: &[Reference], at: usize) -> bool {
    let is_beside = |it: &Reference| references.get(at).is_some_and(|this| it.is_beside(this));
    references.iter().position(is_beside) == Some(at)
}

impl Fetch {
    /// Fetches the secrets of the same service and region as this one.
    fn part(&self, at: usize) -> Found {
        fault::point("secrets");
        let mut found = Found::default();
        let Some(first) = self.references.get(at) else {
            return found;
        };
        let ids = self.ids(first);
        let take: &mut Take<'_> = &mut |id, told| {
            for reference in &self.references {
                if reference.is_beside(first) && reference.id() == id {
                    let value = match told {
                        Ok(kept) => reference.value(kept),
                        Err(why) => Err(why.to_owned()),
                    };
                    found.values.push((reference.text().to_owned(), value));
                }
            }
        };
        if let Err(why) = self.ask(first, &ids, take) {
            let why = format!("{why}");
            for id in ids {
                take(id, Err(&why));
            }
        }
        found
    }

    /// What the service of a secret is asked for in its region, each once.
    fn ids(&self, first: &Reference) -> Vec<&str> {
        let mut ids = Vec::new();
        for reference in &self.references {
            if reference.is_beside(first) && !ids.contains(&reference.id()) {
                ids.push(reference.id());
            }
        }
        ids
    }

    /// Asks the service of a secret in its region; fails if it cannot even be asked.
    fn ask(&self, reference: &Reference, ids: &[&str], take: &mut Take<'_>) -> Result<(), Error> {
        let Options { aws, http, .. } = &*self.options;
        let Some(region) = reference.region().or(aws.region.as_deref()) else {
            return Err(Error::Environment("AWS_REGION is not set".to_owned()));
        };
        let client = Client::outbound(http, &self.hurry)?;
        let mut api = Api::new(reference.service.row(), region, aws);
        let ask: &mut Ask<'_> =
            &mut |operation, body| self.question(&mut api, &client, operation, body);
        batch::all(reference.service, ids, ask, take);
        Ok(())
    }

    /// Asks, and again on what may pass, until the deadline.
    fn question(
        &self,
        api: &mut Api,
        client: &Client,
        operation: &str,
        body: &str,
    ) -> Result<Vec<u8>, Refusal> {
        let mut tries = 0;
        loop {
            tries += 1;
            let share = Deadline::after(self.deadline.left() / TRY_SHARE);
            let answer = api.call(client, operation, body.as_bytes(), share);
            let wait = retry::backoff(tries, time::chance());
            let over = tries >= retry::TRIES_MAX || wait >= self.deadline.left();
            if over || self.hurry.is_on() || answer.as_ref().err().is_none_or(is_final) {
                return answer;
            }
            time::sleep(wait);
        }
    }
}

/// Whether a service understood and refused, so that the same again would be refused too; throttling comes as 400.
fn is_final(refusal: &Refusal) -> bool {
    let (status, name) = (refusal.status.unwrap_or_default(), &refusal.name);
    let busy = name.contains("Throttl") || name.contains("TooManyRequests");
    (400..500).contains(&status) && status != 429 && !busy
}

/// The work of the thread of the secrets: fetches all, at once if it may and whenever a lane asks, and tells every lane, until none is left.
pub fn keep(
    options: &Arc<Options>,
    references: &[Reference],
    at_once: bool,
    end: &KeepEnd,
    stats: &Stats,
) {
    let never = Hurry::default();
    let mut latest = Arc::new(Found::default());
    let mut first = at_once.then_some((0, 0));
    while let Some((lane, seen)) = first.take().or_else(|| end.asked()) {
        // Another lane asked meanwhile, and what it got is newer.
        if latest.number > seen {
            end.tell(lane, &latest);
            continue;
        }
        let mut found = Found::default();
        for _ in 0..2 {
            let began_ms = time::epoch_ms();
            let fetch = || fetch(options, references, &never);
            // Without one there is no value, and each lane says so and asks again.
            found = catch_unwind(AssertUnwindSafe(fetch)).unwrap_or_default();
            let took = Duration::from_millis(time::epoch_ms().saturating_sub(began_ms));
            let frozen = took.saturating_sub(FROZEN_MIN) > options.budget;
            if !frozen || found.values.iter().all(|(_, value)| value.is_ok()) {
                break;
            }
        }
        // Only a panic leaves something out.
        stats
            .panics
            .add(usize::from(found.values.len() < references.len()));
        found.number = latest.number + 1;
        latest = Arc::new(found);
        end.tell_all(&latest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Arc<Options> {
        Arc::new(Options {
            aws: aws::Options::default(),
            http: http::Options::default(),
            budget: Duration::from_millis(50),
        })
    }

    #[test]
    fn secrets_are_grouped_by_service_and_region_and_asked_for_once() {
        let secret = "arn:aws:secretsmanager:eu-central-1:1:secret:a-AbCdEf";
        let texts = [
            &format!("{secret}#user"),
            &format!("{secret}#password"),
            "ssm:/a",
            "arn:aws:secretsmanager:us-east-1:1:secret:b-AbCdEf",
            "ssm:/b",
            "arn:aws:ssm:eu-central-1:1:parameter/c",
        ];
        let read = |text: &&str| Reference::read(text).expect("a reference");
        let references: Vec<Reference> = texts.iter().map(read).collect();
        let fetch = Fetch {
            options: options(),
            deadline: Deadline::after(Duration::ZERO),
            hurry: Hurry::default(),
            references: references.clone(),
        };
        let mut told = Vec::new();
        for (at, reference) in references.iter().enumerate() {
            if is_first(&references, at) {
                told.push((reference.region(), fetch.ids(reference).len()));
            }
        }
        let expected = [
            (Some("eu-central-1"), 1),
            (None, 2),
            (Some("us-east-1"), 1),
            (Some("eu-central-1"), 1),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_may_pass_is_not_final() {
        let answered = |status, name: &str| Refusal {
            status: Some(status),
            name: name.to_owned(),
            why: String::new(),
        };
        for (refusal, expected) in [
            (Refusal::default(), false),
            (answered(400, "ThrottlingException"), false),
            (answered(429, ""), false),
            (answered(500, "InternalServiceError"), false),
            (answered(400, "AccessDeniedException"), true),
            (answered(404, ""), true),
        ] {
            assert_eq!(is_final(&refusal), expected, "{refusal:?}");
        }
    }

    #[test]
    fn without_a_region_or_keys_each_says_why() {
        let read = |text: &str| Reference::read(text).expect("a reference");
        let far = "arn:aws:ssm:eu-central-1:1:parameter/c";
        let found = fetch(&options(), &[read("ssm:/a"), read(far)], &Hurry::default());
        assert_eq!(
            found.value("ssm:/a"),
            Err("ssm:/a: AWS_REGION is not set".to_owned())
        );
        let why = found.value(far).expect_err("no keys");
        assert!(why.contains("no AWS credentials"), "{why}");
    }
}
