//! A reference: the text that stands for a secret, and how its value is taken out of what the service keeps.
//!
//! Pure: it asks nobody. A value must never get into a reason.

use std::borrow::Cow;

use crate::aws::endpoint;
use crate::parse::{Fields, inside, object, plain};

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
    /// What the service calls it: an ARN, or a parameter's name.
    pub id: String,
    /// The region of its ARN; `None`: the function's own.
    pub region: Option<String>,
    /// The JSON key behind the number sign.
    key: Option<String>,
    /// The whole of it.
    text: String,
}

impl Reference {
    /// Reads `arn:…:secretsmanager:…`, `arn:…:ssm:…:parameter/…` or `ssm:name`, each with a `#json.key` or none; any other text is no reference.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (id, key) = match text.split_once('#') {
            Some((id, key)) => (id, Some(key.to_owned())),
            None => (text, None),
        };
        let (service, id, region) = if let Some(name) = id.strip_prefix("ssm:") {
            (Service::ParameterStore, name, None)
        } else {
            let mut parts = id.strip_prefix("arn:")?.splitn(5, ':').skip(1);
            let (service, region) = (parts.next()?, parts.next()?);
            let resource = parts.nth(1)?;
            let service = match service {
                "secretsmanager" if resource.starts_with("secret:") => Service::SecretsManager,
                "ssm" if resource.starts_with("parameter/") => Service::ParameterStore,
                _ => return None,
            };
            (
                service,
                id,
                Some(region).filter(|region| !region.is_empty()),
            )
        };
        let sound = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let plain = |key: &String| !key.is_empty() && !key.contains(char::is_control);
        if id.is_empty() || !id.bytes().all(sound) || !key.iter().all(plain) {
            return None;
        }
        Some(Self {
            service,
            id: id.to_owned(),
            region: region.map(ToOwned::to_owned),
            key,
            text: text.to_owned(),
        })
    }

    /// The whole of it, as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes the value out of what the service keeps.
    ///
    /// # Errors
    /// What keeps it from that, in words that hold nothing of the secret.
    pub fn value(&self, kept: &str) -> Result<String, String> {
        let Some(key) = &self.key else {
            return Ok(kept.to_owned());
        };
        let document = kept.trim();
        if object(document).is_none() {
            return Err(format!("it is no JSON object that could hold {key}"));
        }
        let json = member(document, key).ok_or_else(|| format!("it has no key {key}"))?;
        Ok(inside(json).map_or(Cow::Borrowed(json), plain).into_owned())
    }
}

/// The JSON text of the value at a key: the key as a whole, or else what its dots lead to; `null` is none.
fn member<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    let fields = Fields::of(object);
    if let Some(value) = fields.get(key) {
        return Some(value).filter(|value| *value != "null");
    }
    let mut dots = key.match_indices('.');
    dots.find_map(|(at, _)| {
        let (first, rest) = (key.get(..at)?, key.get(at + 1..)?);
        let inner = fields.get(first).filter(|inner| inner.starts_with('{'))?;
        member(inner, rest)
    })
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
            assert_eq!((found.service, &*found.id), (service, id), "{text}");
            assert_eq!(found.region.as_deref(), region, "{text}");
            assert_eq!(found.key.as_deref(), key, "{text}");
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
        for (kept, key, why) in [
            ("gold", "a", "it is no JSON object that could hold a"),
            ("[\"gold\"]", "a", "it is no JSON object that could hold a"),
            (
                "{\"gold\":1",
                "gold",
                "it is no JSON object that could hold gold",
            ),
            (r#"{"b":"gold"}"#, "a", "it has no key a"),
            (r#"{"a":null,"b":"gold"}"#, "a", "it has no key a"),
            (r#"{"a":"gold"}"#, "a.b", "it has no key a.b"),
        ] {
            let told = read(&format!("{SECRET}#{key}")).value(kept);
            assert_eq!(told.expect_err(kept), why);
        }
    }
}
