//! Many secrets in as few calls as their service allows: what is asked, and what the answers say.
//!
//! Pure: it is handed a way to ask, and makes no connection.
//! An answer holds secrets, so no part of one that was given may get into a reason.

use super::is_final;
use super::reference::Service;
use crate::aws::{Refusal, item_error};
use crate::parse::{self, Fields};

/// A question: the operation and the body.
pub(super) type Ask<'a> = dyn FnMut(&str, &str) -> Result<Vec<u8>, Refusal> + 'a;

/// Takes what a service keeps under an id, or why that cannot be had.
pub(super) type Take<'a> = dyn FnMut(&str, Result<&str, &str>) + 'a;

/// A question in its service's words.
struct Words {
    /// The operation.
    operation: &'static str,
    /// What stands before the ids.
    before: &'static str,
    /// What stands behind them.
    behind: &'static str,
    /// The field of the answer that is the list of what was found; empty: the answer is it.
    list: &'static str,
    /// The field with what is kept.
    value: &'static str,
    /// The most ids that it takes.
    most: usize,
}

/// How Secrets Manager is asked for one.
const SECRET: Words = Words {
    operation: "GetSecretValue",
    before: "{\"SecretId\":\"",
    behind: "\"}",
    list: "",
    value: "SecretString",
    most: 1,
};

/// How Secrets Manager is asked for several.
const SECRETS: Words = Words {
    operation: "BatchGetSecretValue",
    before: "{\"SecretIdList\":[\"",
    behind: "\"]}",
    list: "SecretValues",
    value: "SecretString",
    most: 20,
};

/// How Parameter Store is asked.
const PARAMETERS: Words = Words {
    operation: "GetParameters",
    before: "{\"Names\":[\"",
    behind: "\"],\"WithDecryption\":true}",
    list: "Parameters",
    value: "Value",
    most: 10,
};

/// What is said of an answer that makes no sense.
const UNREADABLE: &str = "its answer cannot be read";

/// Asks a service for some ids, which differ from each other.
pub(super) fn all(service: Service, ids: &[&str], ask: &mut Ask<'_>, take: &mut Take<'_>) {
    let words = match service {
        Service::SecretsManager => &SECRETS,
        Service::ParameterStore => &PARAMETERS,
    };
    for ids in ids.chunks(words.most) {
        some(words, ids, ask, take);
    }
}

/// Asks for as many as one call takes, and for each by itself where that is refused: one that may not be read keeps the service from handing out the others.
fn some(words: &Words, ids: &[&str], ask: &mut Ask<'_>, take: &mut Take<'_>) {
    let (alone, of_secrets) = (ids.len() == 1, words.value == SECRET.value);
    let words = if alone && of_secrets { &SECRET } else { words };
    let body = [words.before, &ids.join("\",\""), words.behind].concat();
    let answer = ask(words.operation, &body);
    let (body, trouble, again) = match &answer {
        Ok(body) => (&**body, UNREADABLE, of_secrets),
        Err(refusal) => (&[][..], &*refusal.why, is_final(refusal)),
    };
    let answer = Fields::of(std::str::from_utf8(body).unwrap_or_default());
    let is_read = answer.get(words.list).is_some();
    let mut items = Vec::new();
    for list in [words.list, "Errors"] {
        let list = answer.get(list).and_then(parse::elements);
        for item in list.unwrap_or_default() {
            items.push(Fields::of(item));
        }
    }
    if words.list.is_empty() {
        items.push(answer);
    }
    for id in ids {
        let mut named = items.iter();
        let item = named.find(|item| words.list.is_empty() || is_named(item, id, of_secrets));
        if item.is_none() && again && !alone {
            some(words, std::slice::from_ref(id), ask, take);
            continue;
        }
        let field = |name| item.and_then(|item| item.get(name));
        if let Some(kept) = field(words.value).and_then(parse::inside) {
            take(id, Ok(&parse::plain(kept)));
            continue;
        }
        let why = if field("SecretBinary").is_some() {
            "it is binary, and only text is taken"
        } else if item.is_none() && is_read {
            "there is no such parameter"
        } else {
            trouble
        };
        let told = item.filter(|_| field("ErrorCode").is_some());
        let told = told.map(|item| item_error(item, "ErrorCode", "Message"));
        take(id, Err(told.as_deref().unwrap_or(why)));
    }
}

/// Whether an item of an answer is on this id.
fn is_named(item: &Fields<'_>, id: &str, of_secrets: bool) -> bool {
    let selector = item.inside("Selector").unwrap_or_default();
    let version = item.get("Version");
    for field in ["ARN", "Name", "SecretId"] {
        let name = word(item, field);
        if let Some(asked) = id.strip_prefix(&*name) {
            // A version or label that was asked for stands apart from a parameter's name.
            let of_version = asked
                .strip_prefix(':')
                .is_some_and(|it| Some(it) == version);
            if asked == selector || of_version {
                return true;
            }
        } else if of_secrets
            && field == "ARN"
            && let Some(added) = name.strip_prefix(id)
        {
            // The service adds six characters to a secret's name, which its ARN may lack.
            return added.starts_with('-') && added.len() == 7;
        }
    }
    false
}

/// A field that is a string; empty if there is none.
fn word(item: &Fields<'_>, name: &str) -> String {
    parse::plain(item.inside(name).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "arn:aws:secretsmanager:r:1:secret:a-AAAAAA";
    /// Without what the service adds.
    const B: &str = "arn:aws:secretsmanager:r:1:secret:b";
    const C: &str = "arn:aws:secretsmanager:r:1:secret:c-CCCCCC";

    /// What is kept under each of some ids, or why that cannot be had.
    type Kept = Vec<Result<String, String>>;

    /// Asks, with these answers in a row, and gives back what was asked.
    fn asked(
        service: Service,
        ids: &[&str],
        answers: &[Result<&str, (bool, &str)>],
    ) -> (Kept, Vec<(String, String)>) {
        let (mut questions, mut answers) = (Vec::new(), answers.iter());
        let mut ask = |target: &str, body: &str| {
            questions.push((target.to_owned(), body.to_owned()));
            match answers.next().expect("no more questions") {
                Ok(answer) => Ok(answer.as_bytes().to_vec()),
                Err((refused, why)) => Err(Refusal {
                    status: refused.then_some(400),
                    why: (*why).to_owned(),
                    ..Refusal::default()
                }),
            }
        };
        let mut kept = Vec::new();
        all(service, ids, &mut ask, &mut |id, told| {
            assert_eq!(ids.get(kept.len()), Some(&id), "each in its turn");
            kept.push(told.map(ToOwned::to_owned).map_err(ToOwned::to_owned));
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
        // Another one whose name goes on as if the service had added to it.
        let other = format!("{B}-master");
        let errors = format!(
            r#"{{"SecretValues":[],"Errors":[{{"SecretId":"{other}","ErrorCode":"No","Message":"not this"}}]}}"#
        );
        let answers = [Ok(&*errors), Ok(r#"{"SecretString":"b"}"#)];
        let (kept, _) = asked(Service::SecretsManager, &[B, &other], &answers);
        assert_eq!(kept, [good("b"), bad("No: not this")]);
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
