//! What a sink answers: plain data, one answer for each request it gets.

use std::time::Duration;

/// How a request is treated.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// It is answered.
    Respond,
    /// It is answered with the status that its body, without its content coding, deserves.
    Judge(fn(&[u8]) -> u16),
    /// It is answered with the status and the body that its body, without its content coding, deserves.
    Answer(fn(&[u8]) -> (u16, String)),
    /// It is read and never answered; the connection stays open.
    Hang,
    /// The connection is reset once the head is read.
    ResetAfterHead,
    /// The connection is reset once so many bytes of the body are read.
    ResetInBody(usize),
    /// The connection is reset once the whole request is read.
    ResetBeforeAnswer,
    /// The connection is closed once the whole request is read.
    CloseBeforeAnswer,
    /// Half of the answer's head is written, then the connection is closed.
    HalfHead,
    /// The head announces the body, half of it follows, then the connection is closed.
    HalfBody,
    /// The head is written, then the body byte by byte with a pause before each.
    Drip(Duration),
}

/// The answer to one request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// How the request is treated.
    pub(crate) deed: Deed,
    /// The status.
    pub(crate) status: u16,
    /// Header fields besides `Content-Length`.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// What passes between the request's end and the answer.
    pub(crate) delay: Duration,
    /// Whether the connection is closed after the answer.
    pub(crate) close: bool,
}

impl Reply {
    /// An empty answer with this status.
    pub(crate) fn status(status: u16) -> Self {
        Self {
            deed: Deed::Respond,
            status,
            headers: Vec::new(),
            body: Vec::new(),
            delay: Duration::ZERO,
            close: false,
        }
    }

    /// `200 OK` with a small JSON body.
    pub(crate) fn ok() -> Self {
        Self::status(200).body("{}")
    }

    /// Something other than an answer.
    pub(crate) fn deed(deed: Deed) -> Self {
        Self { deed, ..Self::ok() }
    }

    /// No answer, ever.
    pub(crate) fn hang() -> Self {
        Self::deed(Deed::Hang)
    }

    /// A redirect.
    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::status(status).header("Location", to)
    }

    /// With a header field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// After a while.
    pub(crate) fn after_ms(mut self, millis: u64) -> Self {
        self.delay = Duration::from_millis(millis);
        self
    }

    /// And the connection is closed.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }
}

/// 400 as long as a record that says `poison` is there.
pub(crate) fn tastes(body: &[u8]) -> u16 {
    let found = body.windows(6).any(|window| window == b"poison");
    if found { 400 } else { 200 }
}

/// The answers of a sink: the listed ones first, then the last word for ever.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// One for each of the first requests.
    pub(crate) first: Vec<Reply>,
    /// For all others.
    pub(crate) then: Reply,
}

impl Script {
    /// The same answer for every request.
    pub(crate) fn always(reply: Reply) -> Self {
        Self {
            first: Vec::new(),
            then: reply,
        }
    }

    /// These answers first, `200 OK` after them.
    pub(crate) fn first(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self {
            first: replies.into_iter().collect(),
            then: Reply::ok(),
        }
    }
}
