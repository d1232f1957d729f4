//! What the APIs answer: the rules of registration, events, subscriptions and error reports.
//!
//! The rules are those of AWS's "Extensions API", "Telemetry API" and "Logs API" pages; error types
//! are those of AWS's runtime interface emulator. Must not touch a socket: the server writes what is
//! made here.

use super::api::{Api, ApiCall, EXIT_ERROR, INIT_ERROR, LOGS, NEXT, REGISTER, Reply, TELEMETRY};
use super::setup::{Call, Fault};
use super::shape::{Fact, Schema};
use super::telemetry::Subscription;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

impl Api {
    /// The answer to a call; `None` closes the connection without one.
    pub(super) fn answer(&self, index: usize, at: Instant) -> Option<Reply> {
        let call = self.lock().calls[index].clone();
        let schema = call.json()["schemaVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if let Some(fault) = self.fault(&call, &schema) {
            if fault.status == 0 {
                return None;
            }
            return Some(faulty(&fault));
        }
        Some(match (call.method.as_str(), call.path.as_str()) {
            ("POST", REGISTER) => self.register(&call, at),
            ("GET", NEXT) => return self.next(&call, at),
            ("PUT", TELEMETRY) => self.subscribe(&call, Schema::telemetry(&schema), at),
            ("PUT", LOGS) if !self.setup.managed() => {
                let version = call.json()["schemaVersion"].as_str().map(str::to_owned);
                self.subscribe(&call, Schema::logs(version.as_deref()), at)
            }
            ("POST", INIT_ERROR | EXIT_ERROR) => self.error(&call),
            _ => Reply::not_found(),
        })
    }

    fn fault(&self, call: &ApiCall, schema: &str) -> Option<Fault> {
        let mut state = self.lock();
        for (number, fault) in self.setup.faults.iter().enumerate() {
            let meant = match (fault.call, call.path.as_str()) {
                (Call::Register, REGISTER)
                | (Call::Telemetry, TELEMETRY)
                | (Call::Logs, LOGS)
                | (Call::Next, NEXT) => true,
                (Call::TelemetrySchema(version), TELEMETRY) => version == schema,
                _ => false,
            };
            if meant {
                state.met[number] += 1;
                let met = state.met[number];
                if met > fault.skip && met - fault.skip <= fault.times {
                    return Some(fault.clone());
                }
            }
        }
        None
    }

    fn register(&self, call: &ApiCall, at: Instant) -> Reply {
        let Ok(body) = serde_json::from_str::<Value>(&call.body) else {
            return Reply::refused(403, "InvalidRequestFormat", "not JSON");
        };
        let name = call
            .header("Lambda-Extension-Name")
            .unwrap_or_default()
            .to_owned();
        if name.is_empty() {
            return Reply::refused(
                403,
                "Extension.InvalidExtensionName",
                "Empty extension name",
            );
        }
        let events: Vec<String> = body["events"]
            .as_array()
            .map(|events| {
                events
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default();
        if let Some(event) = events
            .iter()
            .find(|event| !matches!(event.as_str(), "INVOKE" | "SHUTDOWN"))
        {
            return Reply::refused(
                403,
                "Extension.InvalidEventType",
                &format!("{event}: ErrorInvalidEventType"),
            );
        }
        if self.setup.managed() && events.iter().any(|event| event == "INVOKE") {
            return Reply::refused(
                403,
                "Extension.InvalidEventType",
                "INVOKE: ErrorInvalidEventType",
            );
        }
        let accepts_account =
            call.header("Lambda-Extension-Accept-Feature")
                .is_some_and(|features| {
                    features
                        .split(',')
                        .any(|feature| feature.trim() == "accountId")
                });
        let identifier = self.change(|state| {
            let process = state.extension.process;
            if state.extension.identifier.is_some() {
                return Err(Reply::refused(
                    403,
                    "Extension.InvalidExtensionState",
                    "State transition from Registered to Registered failed",
                ));
            }
            if state.init_over {
                return Err(Reply::refused(
                    403,
                    "Extension.RegistrationClosed",
                    "Extension registration closed already",
                ));
            }
            if name != state.extension.file_name && events.iter().any(|event| event == "SHUTDOWN") {
                // A name that is no file of /opt/extensions makes an internal extension.
                return Err(Reply::refused(
                    403,
                    "Extension.InvalidEventType",
                    "SHUTDOWN: ErrorInvalidEventType",
                ));
            }
            let identifier = format!(
                "4e62f515-e916-45de-a532-{:012x}",
                0x0130_ae82_3500_u64 + u64::from(process)
            );
            state.extension.name.clone_from(&name);
            state.extension.events = events;
            state.extension.identifier = Some(identifier.clone());
            state.extension.registered = Some(at);
            Ok(identifier)
        });
        let identifier = match identifier {
            Ok(identifier) => identifier,
            Err(reply) => return reply,
        };
        let account = self.setup.account_id.as_ref().filter(|_| accepts_account);
        let account = account.map_or(String::new(), |id| format!(r#""accountId":"{id}","#));
        let extra = if self.setup.extra_register_fields {
            r#","logGroupName":"/aws/lambda/orders","logStreamName":"2024/01/01/[$LATEST]test""#
        } else {
            ""
        };
        let mut reply = Reply::json(
            200,
            format!(
                "{{{account}\"functionName\":\"{}\",\"functionVersion\":\"$LATEST\",\"handler\":\"index.handler\"{extra}}}\n",
                self.setup.function_name
            ),
        );
        reply
            .headers
            .push(("Lambda-Extension-Identifier".to_owned(), identifier));
        reply
    }

    /// What is wrong with a call's identifier, if anything is.
    fn unidentified(&self, call: &ApiCall) -> Option<Reply> {
        let state = self.lock();
        match call.header("Lambda-Extension-Identifier") {
            None => Some(Reply::refused(
                403,
                "Extension.MissingExtensionIdentifier",
                "Missing Lambda-Extension-Identifier header",
            )),
            Some(given) if state.extension.identifier.as_deref() == Some(given) => None,
            Some(_) => Some(Reply::refused(
                403,
                "Extension.UnknownExtensionIdentifier",
                "Unknown extension",
            )),
        }
    }

    fn next(&self, call: &ApiCall, at: Instant) -> Option<Reply> {
        if let Some(reply) = self.unidentified(call) {
            return Some(reply);
        }
        let already_waiting = self.change(|state| {
            let waiting = state.extension.waits();
            if !waiting {
                state.extension.asked.push(at);
            }
            waiting
        });
        if already_waiting {
            return Some(Reply::refused(
                403,
                "Extension.InvalidExtensionState",
                "State transition from Ready to Ready failed",
            ));
        }
        let process = call.process;
        let mut state = self
            .changed
            .wait_while(self.lock(), |state| {
                !state.closed
                    && state.extension.process == process
                    && state.extension.event.is_none()
            })
            .expect("no thread panics with the API's lock");
        if state.closed || state.extension.process != process {
            return None;
        }
        let event = state.extension.event.take()?;
        state.extension.given += 1;
        state.extension.given_at = Some(Instant::now());
        let number = state.extension.given;
        drop(state);
        self.changed.notify_all();
        let mut reply = Reply::json(200, event);
        let id = format!("7f3c0a51-2b7d-4c61-9a0f-{process:04x}{number:08x}");
        reply
            .headers
            .push(("Lambda-Extension-Event-Identifier".to_owned(), id));
        Some(reply)
    }

    fn subscribe(&self, call: &ApiCall, schema: Option<Schema>, at: Instant) -> Reply {
        if let Some(reply) = self.unidentified(call) {
            return reply;
        }
        let logs = call.path == LOGS;
        let (invalid, closed) = if logs {
            ("Logs.ValidationError", "Logs.SubscriptionClosed")
        } else {
            ("ValidationError", "Telemetry.SubscriptionClosed")
        };
        let wrong = |what: &str| Reply::refused(400, invalid, what);
        let body = call.json();
        let Some(schema) =
            schema.filter(|schema| !self.setup.managed() || *schema == Schema::Telemetry20250129)
        else {
            // What AWS's emulator answers here is no JSON, although it looks like it.
            return Reply {
                content_type: "text/plain; charset=utf-8",
                ..Reply::json(
                    400,
                    "{\"errorType\":\"ValidationError\",\"errorMessage\":\"schemaVersion must be one of the following: \"2025-01-29\"\"}\n",
                )
            };
        };
        let types: Vec<String> = body["types"]
            .as_array()
            .map(|types| {
                types
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default();
        if types.is_empty()
            || types
                .iter()
                .any(|kind| !matches!(kind.as_str(), "platform" | "function" | "extension"))
        {
            return wrong("types should not be empty");
        }
        if body["destination"]["protocol"] != "HTTP" {
            return wrong("protocol should be HTTP or TCP");
        }
        let uri = body["destination"]["URI"].as_str().unwrap_or_default();
        let Some((port, path)) = destination(uri) else {
            return wrong("URI port is not provided");
        };
        if port == 9_001 {
            return wrong("port 9001 is reserved");
        }
        let buffering = &body["buffering"];
        let field = |name: &str, default: u64, from: u64, to: u64| match &buffering[name] {
            Value::Null => Ok(default),
            value => value
                .as_u64()
                .filter(|number| (from..=to).contains(number))
                .ok_or_else(|| wrong(name)),
        };
        let (max_items, max_bytes, timeout_ms) = match (
            field("maxItems", 10_000, 1_000, 10_000),
            field("maxBytes", 262_144, 262_144, 1_048_576),
            field("timeoutMs", 1_000, 25, 30_000),
        ) {
            (Ok(items), Ok(bytes), Ok(millis)) => (items, bytes, millis),
            (Err(reply), _, _) | (_, Err(reply), _) | (_, _, Err(reply)) => return reply,
        };
        let subscription = Subscription {
            schema,
            types: types.clone(),
            port,
            path,
            max_items: usize::try_from(max_items).unwrap_or(usize::MAX),
            max_bytes: usize::try_from(max_bytes).unwrap_or(usize::MAX),
            timeout: std::time::Duration::from_millis(timeout_ms),
        };
        let accepted = self.change(|state| {
            if state.init_over {
                return Err(Reply::refused(
                    403,
                    closed,
                    "Subscription is closed already",
                ));
            }
            if state
                .hub
                .subscription()
                .is_some_and(|before| before.schema.is_logs() != logs)
            {
                return Err(wrong("subscribed to the other API already"));
            }
            state.extension.subscribed = Some(at);
            state.extension.listened_when_subscribing = listens(port);
            Ok((Arc::clone(&state.hub), state.extension.name.clone()))
        });
        match accepted {
            Ok((hub, name)) => {
                (self.setup.before_subscribed)();
                hub.subscribe(subscription);
                hub.tell(Fact::Subscription { name, types });
                Reply::json(200, "\"OK\"")
            }
            Err(reply) => reply,
        }
    }

    fn error(&self, call: &ApiCall) -> Reply {
        if let Some(reply) = self.unidentified(call) {
            return reply;
        }
        let Some(kind) = call
            .header("Lambda-Extension-Function-Error-Type")
            .map(str::to_owned)
        else {
            return Reply::refused(
                403,
                "Extension.MissingHeader",
                "Lambda-Extension-Function-Error-Type",
            );
        };
        self.change(|state| state.extension.reported_error = Some(kind));
        Reply::json(202, "{\"status\":\"OK\"}\n")
    }
}
/// The platform's words for a status that was asked for by a test.
fn faulty(fault: &Fault) -> Reply {
    if let Some(body) = &fault.body {
        return Reply::json(fault.status, body.clone());
    }
    match (fault.status, fault.call) {
        (202, Call::Logs) => Reply::refused(202, "Logs.NotSupported", "Logs API is not supported"),
        (202, _) => Reply::refused(
            202,
            "Telemetry.NotSupported",
            "Telemetry API is not supported",
        ),
        (404, _) => Reply::not_found(),
        (400, _) => Reply::refused(400, "ValidationError", "unknown schemaVersion"),
        (403, Call::Register) => Reply::refused(
            403,
            "Extension.RegistrationClosed",
            "Extension registration closed already",
        ),
        (403, Call::Next) => Reply::refused(
            403,
            "Extension.InvalidExtensionState",
            "State transition from Ready to Ready failed",
        ),
        (403, _) => Reply::refused(
            403,
            "Telemetry.SubscriptionClosed",
            "Subscription is closed already",
        ),
        (status, _) => Reply::refused(status, "InternalServerError", "Internal Server Error"),
    }
}

/// Port and path of `http://sandbox.localdomain:21077/path`.
fn destination(uri: &str) -> Option<(u16, String)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (host, port) = authority.split_once(':')?;
    if !matches!(host, "sandbox" | "sandbox.localdomain") {
        return None;
    }
    Some((
        port.parse().ok().filter(|port| *port != 0)?,
        path.to_owned(),
    ))
}

/// Whether something listens at a port on all addresses or the loopback, asked of the kernel:
/// connecting would be a request the extension has to answer.
pub(crate) fn listens(port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        std::fs::read_to_string(table).is_ok_and(|text| {
            text.lines().any(|line| {
                let mut words = line.split_whitespace().skip(1);
                let local = words.next().unwrap_or_default();
                let state = words.nth(1).unwrap_or_default();
                local.ends_with(&wanted) && state == "0A"
            })
        })
    })
}
