//! `POST /2020-01-01/extension/register`: makes this process an extension.

use std::time::Duration;

use serde::Deserialize;

use super::{Lambda, refused};
use crate::error::Error;
use crate::http::{Verb, header};
use crate::time::Deadline;

/// How long registration may take; Lambda itself allows ten seconds for the whole of INIT.
const REGISTER_WAIT: Duration = Duration::from_secs(5);

/// What registration tells of the function.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Registration {
    /// The function's name.
    pub function_name: Option<String>,
    /// The function's version.
    pub function_version: Option<String>,
    /// The account; only where the platform knows the `accountId` feature.
    pub account_id: Option<String>,
}

impl Lambda {
    /// Registers under the name of the file that Lambda launched; `invoke` asks for INVOKE events beside SHUTDOWN.
    ///
    /// # Errors
    /// If there is no answer or a refusal; the process cannot be an extension then.
    pub fn register(&mut self, name: &str, invoke: bool) -> Result<Registration, Error> {
        let call = "register";
        self.identity = vec![
            header("lambda-extension-name", name),
            header("lambda-extension-accept-feature", "accountId"),
            header("content-type", "application/json"),
        ];
        let events = if invoke {
            r#"{"events":["INVOKE","SHUTDOWN"]}"#
        } else {
            r#"{"events":["SHUTDOWN"]}"#
        };
        let path = "/2020-01-01/extension/register";
        let deadline = Deadline::after(REGISTER_WAIT);
        let answer = self.call(call, Verb::Post, path, events, Some(deadline))?;
        if answer.status != 200 {
            return Err(refused(call, &answer));
        }
        let Some(id) = answer.header("lambda-extension-identifier") else {
            return Err(Error::Answer {
                call,
                why: "it has no Lambda-Extension-Identifier header".into(),
            });
        };
        self.identity = vec![
            header("lambda-extension-identifier", id),
            header("content-type", "application/json"),
        ];
        // The identity is a help, not a need: an answer without it is as good.
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_be_missing_unknown_or_more() {
        let told: Registration = serde_json::from_str(
            r#"{"functionName":"f","functionVersion":"1","handler":"","logGroupName":"g"}"#,
        )
        .expect("read");
        assert_eq!(told.function_name.as_deref(), Some("f"));
        assert_eq!(told.function_version.as_deref(), Some("1"));
        assert_eq!(told.account_id, None);
    }
}
