//! HTTP/1.1 as far as the local Lambda and the sinks need it: heads, bodies, answers.
//!
//! It is strict where a real server would be (a request it cannot read is an error, not a guess)
//! and must not know what any request means.

use std::io::{self, BufRead, Read, Write};

/// Header names and values in the order they came.
pub(crate) type Headers = Vec<(String, String)>;

/// The first value of a header, whatever the case of its name.
pub(crate) fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// A request up to the empty line.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// `GET`, `POST`, …
    pub(crate) method: String,
    /// The request target as it was written.
    pub(crate) target: String,
    /// The header fields.
    pub(crate) headers: Headers,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(usize),
    /// After the last chunk.
    Chunked,
    /// When the connection closes (answers only).
    Close,
}

/// An `InvalidData` error with a text.
fn bad(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

/// Reads the lines up to the empty one; `None` when the peer closed before the first byte.
fn read_lines(reader: &mut impl BufRead) -> io::Result<Option<Vec<String>>> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        reader.by_ref().take(65_536).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            if lines.is_empty() {
                return Ok(None);
            }
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.pop() != Some(b'\n') || line.pop() != Some(b'\r') {
            return Err(bad("a head line does not end in CR LF"));
        }
        let line = String::from_utf8(line).map_err(|_| bad("a head line is not UTF-8"))?;
        if line.is_empty() {
            return Ok(Some(lines));
        }
        lines.push(line);
    }
}

/// Splits header lines into names and values.
fn read_headers(lines: &[String]) -> io::Result<Headers> {
    lines
        .iter()
        .map(|line| {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| bad("a header has no colon"))?;
            if name.is_empty() || name.ends_with(' ') {
                return Err(bad("a header's name is empty or ends in a space"));
            }
            Ok((name.to_owned(), value.trim().to_owned()))
        })
        .collect()
}

/// Reads a request's head; `None` when the peer closed between two requests.
pub(crate) fn read_request_head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let Some(lines) = read_lines(reader)? else {
        return Ok(None);
    };
    let mut words = lines
        .first()
        .map(String::as_str)
        .unwrap_or_default()
        .split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad(format!("not a request line: {:?}", lines.first())));
    };
    Ok(Some(Head {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: read_headers(lines.get(1..).unwrap_or_default())?,
    }))
}

/// How the body that follows these request headers ends.
pub(crate) fn request_framing(headers: &Headers) -> io::Result<Framing> {
    match (
        header(headers, "transfer-encoding"),
        header(headers, "content-length"),
    ) {
        (Some(_), Some(_)) => Err(bad("both a length and chunks")),
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        (Some(coding), None) => Err(bad(format!("transfer coding {coding}"))),
        (None, Some(length)) => Ok(Framing::Length(
            length
                .parse()
                .map_err(|_| bad("the length is not a number"))?,
        )),
        (None, None) => Ok(Framing::Empty),
    }
}

/// Reads a whole body.
pub(crate) fn read_body(reader: &mut impl BufRead, framing: Framing) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    match framing {
        Framing::Empty => {}
        Framing::Length(length) => {
            body.resize(length, 0);
            reader.read_exact(&mut body)?;
        }
        Framing::Close => {
            reader.read_to_end(&mut body)?;
        }
        Framing::Chunked => loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16)
                .map_err(|_| bad(format!("a chunk's size is {line:?}")))?;
            let at = body.len();
            body.resize(at + size, 0);
            reader.read_exact(body.get_mut(at..).unwrap_or_default())?;
            let mut end = [0; 2];
            reader.read_exact(&mut end)?;
            if end != *b"\r\n" {
                return Err(bad("a chunk does not end in CR LF"));
            }
            if size == 0 {
                break;
            }
        },
    }
    Ok(body)
}

/// An answer as a client sees it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The header fields.
    pub(crate) headers: Headers,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// Reads an answer to a request that was not `HEAD`.
pub(crate) fn read_answer(reader: &mut impl BufRead) -> io::Result<Answer> {
    let lines = read_lines(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = lines
        .first()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| bad(format!("not a status line: {:?}", lines.first())))?;
    let headers = read_headers(lines.get(1..).unwrap_or_default())?;
    let framing = match (status, request_framing(&headers)?) {
        (100..=199 | 204 | 304, _) => Framing::Empty,
        (_, Framing::Empty) => Framing::Close,
        (_, framing) => framing,
    };
    let body = read_body(reader, framing)?;
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// A body cut into chunks of at most `size` bytes, the last one included.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 64);
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// The reason phrase of the statuses we send.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// Writes a message in one call, so that it leaves in as few packets as it can.
pub(crate) fn write_message(
    stream: &mut impl Write,
    first: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> io::Result<()> {
    let mut out = Vec::with_capacity(256 + body.len());
    out.extend_from_slice(first.as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    stream.write_all(&out)?;
    stream.flush()
}
