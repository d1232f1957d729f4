//! Many secrets in as few calls as their service allows: what is asked, and what the answers say.
//!
//! Pure: it is handed a way to ask, and makes no connection.
//! An answer holds secrets, so no part of one that was given may get into a reason.

use serde_json::value::RawValue;

use super::reference::Service;
use crate::aws::item_error;
use crate::parse::{self, Fields};

/// What a service was asked for and did not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Why, in words; holds no secret.
    pub(super) why: String,
    /// The service refused this very question, so that another one may be answered; otherwise it was not reached or does not work.
    pub(super) refused: bool,
}

/// A question: the operation and the body.
pub(super) type Ask<'a> = dyn FnMut(&str, &str) -> Result<Vec<u8>, Trouble> + 'a;

/// What a service keeps under each of some ids, or why that cannot be had.
pub(super) type Kept = Vec<Result<String, String>>;

/// The most secrets that Secrets Manager takes in a call.
const SECRETS_MAX: usize = 20;

/// The most parameters that Parameter Store takes in a call.
const PARAMETERS_MAX: usize = 10;

/// What is said of an answer that makes no sense.
const UNREADABLE: &str = "its answer cannot be read";

/// Asks a service for some ids, which differ from each other.
pub(super) fn all(service: Service, ids: &[&str], ask: &mut Ask<'_>) -> Kept {
    let most = match service {
        Service::SecretsManager => SECRETS_MAX,
        Service::ParameterStore => PARAMETERS_MAX,
    };
    let mut kept = Vec::with_capacity(ids.len());
    for ids in ids.chunks(most) {
        some(service, ids, ask, &mut kept);
    }
    kept
}

/// Asks for as many as one call takes, and for each by itself where that is refused: one that may not be read keeps the service from handing out the others.
fn some(service: Service, ids: &[&str], ask: &mut Ask<'_>, kept: &mut Kept) {
    let is_store = service == Service::ParameterStore;
    let alone = ids.len() == 1;
    let answer = match (service, ids) {
        (Service::SecretsManager, [id]) => {
            let mut body = String::from("{\"SecretId\":");
            quote(&mut body, id);
            body.push('}');
            ask("GetSecretValue", &body)
        }
        (Service::SecretsManager, ids) => {
            ask("BatchGetSecretValue", &list("SecretIdList", ids, ""))
        }
        (Service::ParameterStore, ids) => {
            let body = list("Names", ids, ",\"WithDecryption\":true");
            ask("GetParameters", &body)
        }
    };
    // What cannot be read says nothing of any id.
    let (answer, trouble) = match answer.map(text) {
        Ok(answer) if is_store && answer.is_empty() => (answer, Some(UNREADABLE.to_owned())),
        Ok(answer) => (answer, None),
        Err(trouble) if trouble.refused && !alone => (String::new(), None),
        Err(trouble) => (String::new(), Some(trouble.why)),
    };
    let answer = Fields::of(&answer);
    let list = if is_store {
        "Parameters"
    } else {
        "SecretValues"
    };
    let (found, errors) = (objects(&answer, list), objects(&answer, "Errors"));
    for id in ids {
        let told = match &trouble {
            Some(why) => Some(Err(why.clone())),
            None if is_store && answer.get(list).is_some() => Some(parameter(&found, id)),
            None if alone => Some(text_of(&answer)),
            None => secret(&found, &errors, id),
        };
        match told {
            Some(told) => kept.push(told),
            None => some(service, std::slice::from_ref(id), ask, kept),
        }
    }
}

/// What `BatchGetSecretValue` says of an id, if it says anything.
fn secret(found: &[Fields<'_>], errors: &[Fields<'_>], id: &str) -> Option<Result<String, String>> {
    if let Some(fields) = found.iter().find(|fields| is_named(fields, id)) {
        return Some(text_of(fields));
    }
    let is = |fields: &&Fields<'_>| word(fields, "SecretId").as_deref() == Some(id);
    let fields = errors.iter().find(is)?;
    Some(Err(item_error(fields, "ErrorCode", "Message")))
}

/// Whether a secret is the one that was asked for: by its ARN, which may lack the six characters that the service adds to the name.
fn is_named(fields: &Fields<'_>, id: &str) -> bool {
    let arn = word(fields, "ARN").unwrap_or_default();
    let added = arn.strip_prefix(id).and_then(|rest| rest.strip_prefix('-'));
    arn == id || added.is_some_and(|added| added.len() == 6)
}

/// What `GetParameters` says of an id.
fn parameter(found: &[Fields<'_>], id: &str) -> Result<String, String> {
    let is = |fields: &&Fields<'_>| {
        // A version or label that was asked for stands apart from the name.
        let selector = word(fields, "Selector").unwrap_or_default();
        let version = [":", fields.get("Version").unwrap_or_default()].concat();
        ["Name", "ARN"].into_iter().any(|name| {
            let name = word(fields, name).unwrap_or_default();
            let behind = id.strip_prefix(&*name).filter(|_| !name.is_empty());
            behind.is_some_and(|behind| behind == selector || behind == version)
        })
    };
    let fields = found.iter().find(is);
    let value = fields.and_then(|fields| word(fields, "Value"));
    value.ok_or_else(|| "there is no such parameter".to_owned())
}

/// The objects of a field that is a list.
fn objects<'a>(fields: &Fields<'a>, name: &str) -> Vec<Fields<'a>> {
    let list = fields.get(name).unwrap_or_default();
    let list: Vec<&RawValue> = serde_json::from_str(list).unwrap_or_default();
    list.into_iter().map(|it| Fields::of(it.get())).collect()
}

/// The text that Secrets Manager keeps.
fn text_of(fields: &Fields<'_>) -> Result<String, String> {
    if let Some(text) = word(fields, "SecretString") {
        return Ok(text);
    }
    Err(match fields.get("SecretBinary") {
        Some(_) => "it is binary, and only text is taken".to_owned(),
        None => UNREADABLE.to_owned(),
    })
}

/// A field that is a string.
fn word(fields: &Fields<'_>, name: &str) -> Option<String> {
    let inside = parse::inside(fields.get(name)?)?;
    Some(parse::plain(inside).into_owned())
}

/// An answer's body as text that is JSON; empty if it is none.
fn text(body: Vec<u8>) -> String {
    let text = String::from_utf8(body).unwrap_or_default();
    if parse::object(text.trim()).is_some() {
        text
    } else {
        String::new()
    }
}

/// A body with a list of ids.
fn list(name: &str, ids: &[&str], more: &str) -> String {
    let mut body = format!("{{\"{name}\":[");
    for (at, id) in ids.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        quote(&mut body, id);
    }
    body.push(']');
    body.push_str(more);
    body.push('}');
    body
}

/// Adds a JSON string.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    parse::escape(out, text);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "arn:aws:secretsmanager:r:1:secret:a-AAAAAA";
    /// Without what the service adds.
    const B: &str = "arn:aws:secretsmanager:r:1:secret:b";
    const C: &str = "arn:aws:secretsmanager:r:1:secret:c-CCCCCC";

    /// Asks, with these answers in a row, and gives back what was asked.
    fn asked(
        service: Service,
        ids: &[&str],
        answers: &[Result<&str, (bool, &str)>],
    ) -> (Kept, Vec<(String, String)>) {
        let (mut questions, mut answers) = (Vec::new(), answers.iter());
        let kept = all(service, ids, &mut |target: &str, body: &str| {
            questions.push((target.to_owned(), body.to_owned()));
            match answers.next().expect("no more questions") {
                Ok(answer) => Ok(answer.as_bytes().to_vec()),
                Err((refused, why)) => Err(Trouble {
                    why: (*why).to_owned(),
                    refused: *refused,
                }),
            }
        });
        assert!(answers.next().is_none(), "fewer questions: {questions:?}");
        (kept, questions)
    }

    fn good(value: &str) -> Result<String, String> {
        Ok(value.to_owned())
    }

    fn bad(why: &str) -> Result<String, String> {
        Err(why.to_owned())
    }

    #[test]
    fn one_secret_is_asked_for_by_itself() {
        let answer = r#"{"ARN":"x","SecretString":"go\"ld","VersionId":"1"}"#;
        let (kept, questions) = asked(Service::SecretsManager, &[A], &[Ok(answer)]);
        assert_eq!(kept, [good("go\"ld")]);
        let body = format!("{{\"SecretId\":\"{A}\"}}");
        assert_eq!(questions, [("GetSecretValue".to_owned(), body)]);
        for (answer, why) in [
            (
                r#"{"SecretBinary":"Z29sZA=="}"#,
                "it is binary, and only text is taken",
            ),
            ("{}", UNREADABLE),
            (r#"{"SecretString":"gold""#, UNREADABLE),
            ("gold", UNREADABLE),
        ] {
            let (kept, _) = asked(Service::SecretsManager, &[A], &[Ok(answer)]);
            assert_eq!(kept, [bad(why)], "{answer}");
        }
    }

    #[test]
    fn several_secrets_take_one_call() {
        let answer = format!(
            r#"{{"SecretValues":[{{"ARN":"{C}","SecretString":"c"}},{{"ARN":"{B}-BBBBBB","Name":"b","SecretString":""}}],
            "Errors":[{{"SecretId":"{A}","ErrorCode":"ResourceNotFoundException","Message":"no such"}}]}}"#
        );
        let (kept, questions) = asked(Service::SecretsManager, &[A, B, C], &[Ok(&answer)]);
        let missing = bad("ResourceNotFoundException: no such");
        assert_eq!(kept, [missing, good(""), good("c")]);
        let body = format!("{{\"SecretIdList\":[\"{A}\",\"{B}\",\"{C}\"]}}");
        let expected = ("BatchGetSecretValue".to_owned(), body);
        assert_eq!(questions, [expected]);
    }

    #[test]
    fn where_the_batch_is_refused_each_is_asked_for() {
        let answers = [
            Err((true, "AccessDeniedException")),
            Ok(r#"{"SecretString":"a"}"#),
            Err((true, "AccessDeniedException: not this one")),
        ];
        let (kept, _) = asked(Service::SecretsManager, &[A, C], &answers);
        assert_eq!(
            kept,
            [good("a"), bad("AccessDeniedException: not this one")]
        );
        let answers = [
            Err((true, "AccessDeniedException")),
            Ok(r#"{"Parameters":[{"Name":"/a","Value":"1"}]}"#),
            Ok(r#"{"Parameters":[],"InvalidParameters":["/b"]}"#),
        ];
        let (kept, _) = asked(Service::ParameterStore, &["/a", "/b"], &answers);
        assert_eq!(kept, [good("1"), bad("there is no such parameter")]);
    }

    #[test]
    fn what_a_batch_says_nothing_of_is_asked_for() {
        let half =
            format!(r#"{{"SecretValues":[{{"ARN":"{A}","SecretString":"a"}}],"NextToken":"x"}}"#);
        let answers = [Ok(&*half), Ok(r#"{"SecretString":"c"}"#)];
        let (kept, _) = asked(Service::SecretsManager, &[A, C], &answers);
        assert_eq!(kept, [good("a"), good("c")]);
        let cut = format!(r#"{{"SecretValues":[{{"ARN":"{A}","SecretString":"a"#);
        let answers = [Ok(&*cut), Ok(r#"{"SecretString":"a"}"#), Ok("")];
        let (kept, _) = asked(Service::SecretsManager, &[A, C], &answers);
        assert_eq!(kept, [good("a"), bad(UNREADABLE)]);
    }

    #[test]
    fn a_service_that_is_away_is_asked_once() {
        for (service, ids) in [
            (Service::SecretsManager, [A, C]),
            (Service::ParameterStore, ["/a", "/b"]),
        ] {
            let (kept, _) = asked(service, &ids, &[Err((false, "no answer in time"))]);
            assert_eq!(kept, [bad("no answer in time"), bad("no answer in time")]);
        }
        let (kept, _) = asked(Service::ParameterStore, &["/a", "/b"], &[Ok("<html>")]);
        assert_eq!(kept, [bad(UNREADABLE), bad(UNREADABLE)]);
    }

    #[test]
    fn parameters_are_found_by_name_version_and_arn() {
        let arn = "arn:aws:ssm:r:1:parameter/c";
        let answer = format!(
            r#"{{"Parameters":[{{"Name":"/b","ARN":"arn:aws:ssm:r:1:parameter/b","Selector":":3","Value":"b3"}},
            {{"Name":"/b","Value":"b"}},{{"Name":"/e","Version":7,"Value":"e7"}},{{"Name":"/c","ARN":"{arn}","Value":"c"}},{{"Name":"/a","Value":"a"}}],"InvalidParameters":["/d"]}}"#
        );
        let ids = ["/a", "/b:3", "/b", "/e:7", arn, "/d"];
        let (kept, questions) = asked(Service::ParameterStore, &ids, &[Ok(&answer)]);
        let missing = bad("there is no such parameter");
        assert_eq!(
            kept,
            [
                good("a"),
                good("b3"),
                good("b"),
                good("e7"),
                good("c"),
                missing
            ]
        );
        let body = format!(
            "{{\"Names\":[\"/a\",\"/b:3\",\"/b\",\"/e:7\",\"{arn}\",\"/d\"],\"WithDecryption\":true}}"
        );
        assert_eq!(questions, [("GetParameters".to_owned(), body)]);
    }

    #[test]
    fn no_call_asks_for_more_than_a_service_takes() {
        let names: Vec<String> = (0..23).map(|number| format!("/{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let none = Ok(r#"{"Parameters":[]}"#);
        let (kept, questions) = asked(Service::ParameterStore, &names, &[none, none, none]);
        assert_eq!((kept.len(), questions.len()), (23, 3));
        let named = |at: usize| questions.get(at).map(|(_, body)| body.matches('/').count());
        assert_eq!(
            (named(0), named(1), named(2)),
            (Some(10), Some(10), Some(3))
        );
    }
}
