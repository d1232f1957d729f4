//! Secrets by reference: fetched from AWS Secrets Manager and Parameter Store, within a budget, in as few calls as they allow.
//!
//! A value goes to whoever asked and nowhere else: no line, no error and no `Debug` may hold one.
//! Whoever cannot be served is told why; nothing here may end the process.

mod batch;
mod reference;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use reference::{MARK, Reference};

use self::batch::{Ask, Kept, Trouble};
use self::reference::Service;
use crate::aws::{self, Api, Refusal};
use crate::fault;
use crate::http::{self, Client};
use crate::link::{self, Found, Hurry, KeepEnd};
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

/// Secrets of one service in one region.
struct Group {
    /// Who keeps them.
    service: Service,
    /// Where; `None`: the function's own region.
    region: Option<String>,
    /// What the service calls them, each once.
    ids: Vec<String>,
    /// What it keeps under them, once it has said so.
    kept: OnceLock<Kept>,
}

/// Fetches secrets: one call for each service and region at the same time, more only where there are more secrets than one may ask for, or where one that may not be read spoils it.
#[must_use]
pub fn fetch(options: &Arc<Options>, references: &[Reference], hurry: &Hurry) -> Found {
    let groups = groups(references);
    let deadline = Deadline::after(options.budget);
    // Each has the whole budget: a service that cannot be reached must not cost another one's secrets.
    let mut threads = Vec::new();
    for group in groups.iter().skip(1) {
        let (group, options, hurry) = (Arc::clone(group), Arc::clone(options), hurry.clone());
        let work = move || group.fill(&options, deadline, &hurry);
        if let Ok(thread) = link::spawn("secrets-more", None, Box::new(work)) {
            threads.push(thread);
        }
    }
    if let Some(first) = groups.first() {
        first.fill(options, deadline, hurry);
    }
    for thread in threads {
        // One that panicked left its group empty.
        thread.join().unwrap_or(());
    }
    let mut values = Vec::new();
    for reference in references {
        let group = groups.iter().find(|group| group.holds(reference));
        let told = group.and_then(|group| {
            let at = group.ids.iter().position(|id| *id == reference.id)?;
            group.kept.get()?.get(at)
        });
        let value = match told {
            Some(Ok(kept)) => reference.value(kept),
            Some(Err(why)) => Err(why.clone()),
            None => continue,
        };
        values.push((reference.text().to_owned(), value));
    }
    Found { number: 0, values }
}

impl Group {
    /// Whether a reference is of this service and region.
    fn holds(&self, reference: &Reference) -> bool {
        self.service == reference.service && self.region == reference.region
    }

    /// Fetches the secrets.
    fn fill(&self, options: &Options, deadline: Deadline, hurry: &Hurry) {
        fault::point("secrets");
        let mut service = self.reach(options, hurry);
        let ids: Vec<&str> = self.ids.iter().map(String::as_str).collect();
        let ask: &mut Ask<'_> = &mut |operation: &str, body: &str| match &mut service {
            Ok((api, client)) => question(api, client, operation, body, deadline, hurry),
            Err(why) => Err(Trouble {
                why: why.clone(),
                refused: false,
            }),
        };
        let kept = batch::all(self.service, &ids, ask);
        self.kept.set(kept).unwrap_or(());
    }

    /// What it takes to ask the service, or why it cannot even be asked.
    fn reach(&self, options: &Options, hurry: &Hurry) -> Result<(Api, Client), String> {
        let region = self.region.as_ref().or(options.aws.region.as_ref());
        let region = region.ok_or("AWS_REGION is not set")?;
        let client = Client::outbound(&options.http, hurry).map_err(|why| why.to_string())?;
        Ok((Api::new(self.service.row(), region, &options.aws), client))
    }
}

/// The secrets by service and region.
fn groups(references: &[Reference]) -> Vec<Arc<Group>> {
    let mut groups: Vec<Arc<Group>> = Vec::new();
    for reference in references {
        if groups.iter().any(|group| group.holds(reference)) {
            continue;
        }
        let mut group = Group {
            service: reference.service,
            region: reference.region.clone(),
            ids: Vec::new(),
            kept: OnceLock::new(),
        };
        for reference in references {
            if group.holds(reference) && !group.ids.contains(&reference.id) {
                group.ids.push(reference.id.clone());
            }
        }
        groups.push(Arc::new(group));
    }
    groups
}

/// Asks, and again on what may pass, until the deadline.
fn question(
    api: &mut Api,
    client: &Client,
    operation: &str,
    body: &str,
    deadline: Deadline,
    hurry: &Hurry,
) -> Result<Vec<u8>, Trouble> {
    let body = body.as_bytes();
    let mut tries = 0;
    loop {
        tries += 1;
        let share = Deadline::after(deadline.left() / TRY_SHARE);
        let refusal = match api.call(client, operation, body, share.earlier(deadline)) {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refusal,
        };
        let refused = is_final(&refusal);
        let wait = retry::backoff(tries, time::chance());
        let over = tries >= retry::TRIES_MAX || wait >= deadline.left() || hurry.is_on();
        if refused || over {
            return Err(Trouble {
                why: refusal.why,
                refused,
            });
        }
        time::sleep(wait);
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
        let fetch = || {
            // Without one there is no value, and each lane says so and asks again.
            catch_unwind(AssertUnwindSafe(|| fetch(options, references, &never)))
                .unwrap_or_default()
        };
        let began_ms = time::epoch_ms();
        let mut found = fetch();
        let late_ms = u64::try_from((options.budget + FROZEN_MIN).as_millis()).unwrap_or(u64::MAX);
        let frozen = time::epoch_ms().saturating_sub(began_ms) > late_ms;
        if frozen && found.values.iter().any(|(_, value)| value.is_err()) {
            found = fetch();
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
        let groups = groups(&references);
        let told: Vec<_> = groups
            .iter()
            .map(|it| (it.region.as_deref(), it.ids.len()))
            .collect();
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
        let options = Arc::new(Options {
            aws: aws::Options::default(),
            http: http::Options::default(),
            budget: Duration::from_millis(50),
        });
        let read = |text: &str| Reference::read(text).expect("a reference");
        let far = "arn:aws:ssm:eu-central-1:1:parameter/c";
        let found = fetch(&options, &[read("ssm:/a"), read(far)], &Hurry::default());
        assert_eq!(
            found.value("ssm:/a"),
            Err("ssm:/a: AWS_REGION is not set".to_owned())
        );
        let why = found.value(far).expect_err("no keys");
        assert!(why.contains("no AWS credentials"), "{why}");
    }
}
