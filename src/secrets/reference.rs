//! A reference: the text that stands for a secret, and how its value is taken out of what the service keeps.
//!
//! Pure: it asks nobody. A value must never get into a reason.

use crate::aws::endpoint;
use crate::parse::{Fields, inside, plain};

/// What a reference may begin with; in the wrapper's variables it must.
pub const MARK: &str = "secret:";

/// Who keeps a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// AWS Secrets Manager.
    SecretsManager,
    /// AWS Systems Manager Parameter Store.
    ParameterStore,
}

impl Service {
    /// How it is called.
    #[must_use]
    pub fn row(self) -> &'static endpoint::Service {
        match self {
            Self::SecretsManager => &endpoint::SECRETS_MANAGER,
            Self::ParameterStore => &endpoint::SSM,
        }
    }
}

/// A secret's place; it is none itself, and may be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Who keeps it.
    pub service: Service,
    /// The whole of it.
    text: String,
}

impl Reference {
    /// Reads `arn:…:secretsmanager:…`, `arn:…:ssm:…:parameter/…` or `ssm:name`, each with a `#json.key` or none; any other text is no reference.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (id, key) = split(text);
        let (of, kind) = (part(id, 2), part(id, 5));
        let service = if text.starts_with("ssm:") {
            Service::ParameterStore
        } else if part(id, 0) != "arn" {
            return None;
        } else if of == "secretsmanager" && kind == "secret" && !part(id, 6).is_empty() {
            Service::SecretsManager
        } else if of == "ssm" && kind.starts_with("parameter/") {
            Service::ParameterStore
        } else {
            return None;
        };
        let sound = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let odd = |key: &str| key.is_empty() || key.contains(char::is_control);
        if id.is_empty() || !id.bytes().all(sound) || key.is_some_and(odd) {
            return None;
        }
        Some(Self {
            service,
            text: text.to_owned(),
        })
    }

    /// The whole of it, as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the service calls it: an ARN, or a parameter's name; it needs no escapes in JSON.
    pub(super) fn id(&self) -> &str {
        split(&self.text).0
    }

    /// The region of its ARN; `None`: the function's own.
    pub(super) fn region(&self) -> Option<&str> {
        Some(part(self.id(), 3)).filter(|region| !region.is_empty())
    }

    /// Whether another one is of this service and region too.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.service == other.service && self.region() == other.region()
    }

    /// Takes the value out of what the service keeps.
    ///
    /// # Errors
    /// What keeps it from that, in words that hold nothing of the secret.
    pub(super) fn value(&self, kept: &str) -> Result<String, String> {
        let (_, Some(key)) = split(&self.text) else {
            return Ok(kept.to_owned());
        };
        let Some(json) = member(kept.trim(), key) else {
            return Err(format!("it is no JSON object with the key {key}"));
        };
        Ok(match inside(json) {
            Some(text) => plain(text).into_owned(),
            None => json.to_owned(),
        })
    }
}

/// What the service calls it, and the JSON key behind the number sign.
fn split(text: &str) -> (&str, Option<&str>) {
    let (place, key) = match text.split_once('#') {
        Some((place, key)) => (place, Some(key)),
        None => (text, None),
    };
    (place.strip_prefix("ssm:").unwrap_or(place), key)
}

/// A part of an ARN; empty if there is none, as in a parameter's name.
fn part(id: &str, at: usize) -> &str {
    id.split(':').nth(at).unwrap_or_default()
}

/// The JSON text of the value at a key: the key as a whole, or else what its dots lead to; `null` is none.
fn member<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    let fields = Fields::of(object);
    if let Some(value) = fields.get(key) {
        return Some(value).filter(|value| *value != "null");
    }
    for (at, _) in key.match_indices('.') {
        let (first, rest) = (key.get(..at)?, key.get(at + 1..)?);
        if let Some(found) = fields.get(first).and_then(|inner| member(inner, rest)) {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/key-AbCdEf";

    fn read(text: &str) -> Reference {
        Reference::read(text).expect(text)
    }

    #[test]
    fn every_form_is_read() {
        let china = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:x";
        let parameter = "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/a/b";
        for (text, service, id, region, key) in [
            (
                SECRET.to_owned(),
                Service::SecretsManager,
                SECRET,
                Some("eu-central-1"),
                None,
            ),
            (
                format!("{SECRET}#a.b"),
                Service::SecretsManager,
                SECRET,
                Some("eu-central-1"),
                Some("a.b"),
            ),
            (
                china.to_owned(),
                Service::SecretsManager,
                china,
                Some("cn-north-1"),
                None,
            ),
            (
                parameter.to_owned(),
                Service::ParameterStore,
                parameter,
                Some("us-gov-west-1"),
                None,
            ),
            (
                "ssm:/logs/key".to_owned(),
                Service::ParameterStore,
                "/logs/key",
                None,
                None,
            ),
            (
                " ssm:key:3 ".to_owned(),
                Service::ParameterStore,
                "key:3",
                None,
                None,
            ),
            (
                "ssm:/k#user".to_owned(),
                Service::ParameterStore,
                "/k",
                None,
                Some("user"),
            ),
        ] {
            let found = read(&text);
            assert_eq!((found.service, found.id()), (service, id), "{text}");
            assert_eq!(found.region(), region, "{text}");
            assert_eq!(split(found.text()).1, key, "{text}");
            assert_eq!(found.text(), text.trim());
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "ssm:",
            "ssm:#key",
            "ssm:/a b",
            "ssm:/a\"",
            "ssm:/a#",
            "ssm:/a#b\nc",
            "arn:aws:s3:::bucket",
            "arn:aws:secretsmanager:eu-central-1:123456789012",
            "arn:aws:secretsmanager:eu-central-1:123456789012:other:x",
            "arn:aws:ssm:eu-central-1:123456789012:document/x",
            "arn:aws:ssm",
            "https://example.com",
            "ssm.example.com",
            "key-of-gold",
        ] {
            assert_eq!(Reference::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_key_leads_into_the_document() {
        let kept = r#" {"user":"me","a":{"b":"x\"ü","c.d":7},"a.b":"whole","no":null,"deep":{"a":{"b":true}}} "#;
        for (key, value) in [
            ("user", "me"),
            ("a.b", "whole"),
            ("a.c.d", "7"),
            ("deep.a.b", "true"),
            ("deep.a", r#"{"b":true}"#),
        ] {
            let reference = read(&format!("{SECRET}#{key}"));
            assert_eq!(reference.value(kept).as_deref(), Ok(value), "{key}");
        }
        let nested = read(&format!("{SECRET}#a.b"));
        assert_eq!(nested.value(r#"{"a":{"b":"x\"ü"}}"#).as_deref(), Ok("x\"ü"));
        assert_eq!(read(SECRET).value(" {} \n").as_deref(), Ok(" {} \n"));
    }

    #[test]
    fn what_is_not_there_is_said_without_the_rest() {
        for (kept, key) in [
            ("gold", "a"),
            ("[\"gold\"]", "a"),
            ("{\"gold\":1", "gold"),
            ("{\"gold\":1} or so", "gold"),
            (r#"{"b":"gold"}"#, "a"),
            (r#"{"a":null,"b":"gold"}"#, "a"),
            (r#"{"a":"gold"}"#, "a.b"),
        ] {
            let told = read(&format!("{SECRET}#{key}")).value(kept);
            let why = format!("it is no JSON object with the key {key}");
            assert_eq!(told, Err(why), "{kept}");
        }
    }
}
