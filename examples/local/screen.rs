//! The screen: columns, width and colour.
//!
//! Must not know what is shown. Colour goes to terminals alone, and not where `NO_COLOR` is set.

use std::io::{self, IsTerminal, Stdout, Write};
use std::process::{Command, Stdio};

/// The columns where nobody says how many there are.
const COLUMNS: usize = 100;

/// The columns before what happens.
const MARGIN: usize = 19;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The platform.
    Lambda,
    /// The sample function.
    Function,
    /// The extension.
    Brooklet,
    /// The destination.
    Receiver,
}

impl Who {
    /// As it is shown.
    fn word(self) -> &'static str {
        match self {
            Self::Lambda => "Lambda",
            Self::Function => "function",
            Self::Brooklet => "brooklet",
            Self::Receiver => "receiver",
        }
    }

    /// The colour, as the terminal calls it.
    fn colour(self) -> &'static str {
        match self {
            Self::Lambda => "36",
            Self::Function => "32",
            Self::Brooklet => "33",
            Self::Receiver => "35",
        }
    }
}

/// Standard output and what it can show.
#[derive(Debug)]
pub(crate) struct Screen {
    /// Where it goes.
    out: Stdout,
    /// How wide it is.
    width: usize,
    /// Whether it is in colour.
    colour: bool,
}

impl Screen {
    /// Standard output.
    pub(crate) fn open() -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            width: width(terminal).max(60),
            colour: terminal && !plain,
            out,
        }
    }

    /// What one sees.
    pub(crate) fn opening(&mut self) -> io::Result<()> {
        let head = self.painted("1", "brooklet in a local Lambda");
        writeln!(self.out, "{head}")?;
        self.paragraph(
            "This program plays AWS Lambda: it starts the layer as Lambda does, invokes a small \
             function, freezes the environment whenever nothing runs, and ends it. A receiver on \
             this machine stands for wherever you want your logs.",
        )?;
        writeln!(self.out)?;
        self.paragraph(
            "Left: milliseconds since brooklet was started. Then who does what. Below each request \
             of the receiver: the records that it brought.",
        )
    }

    /// Begins a phase.
    pub(crate) fn title(&mut self, text: &str) -> io::Result<()> {
        let title = self.painted("1", text);
        writeln!(self.out, "\n{title}")
    }

    /// What to look at in it.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        for line in wrapped(text, self.width) {
            let line = self.painted("2", &line);
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    /// Something that happened, at so many milliseconds.
    pub(crate) fn event(&mut self, millis: f64, who: Who, text: &str) -> io::Result<()> {
        let text = shorten(text, self.width.saturating_sub(MARGIN));
        let word = self.painted(who.colour(), &format!("{:<8}", who.word()));
        writeln!(self.out, "{millis:>7.1}  {word}  {text}")
    }

    /// More of what happened, below it; in its author's colour, or dim.
    pub(crate) fn below(&mut self, who: Option<Who>, text: &str) -> io::Result<()> {
        let text = shorten(text, self.width.saturating_sub(MARGIN + 2));
        let text = self.painted(who.map_or("2", Who::colour), &text);
        writeln!(self.out, "{:MARGIN$}  {text}", "")
    }

    /// A line of the summary.
    pub(crate) fn fact(&mut self, name: &str, value: &str) -> io::Result<()> {
        let value = shorten(value, self.width.saturating_sub(28));
        writeln!(self.out, "  {name:<26}{value}")
    }

    /// JSON, broken into lines between its fields.
    pub(crate) fn json(&mut self, json: &str) -> io::Result<()> {
        let mut line = String::from("  ");
        for field in json.split_inclusive(",\"") {
            // The quote that was found belongs to the next field.
            if line.chars().count() + field.chars().count() > self.width {
                let kept = line.strip_suffix('"').unwrap_or(&line).to_owned();
                writeln!(self.out, "{kept}")?;
                line = format!("   {}", &line[kept.len()..]);
            }
            line.push_str(field);
        }
        writeln!(self.out, "{line}")
    }

    /// A text of its own, broken into lines.
    pub(crate) fn paragraph(&mut self, text: &str) -> io::Result<()> {
        wrapped(text, self.width)
            .iter()
            .try_for_each(|line| writeln!(self.out, "{line}"))
    }

    /// What went wrong, also where standard output is not looked at.
    pub(crate) fn failure(&mut self, text: &str) -> io::Result<()> {
        self.out.flush()?;
        writeln!(io::stderr(), "\ndemo failed: {text}")
    }

    /// A text in a colour, where there is any.
    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The columns of the terminal.
fn width(terminal: bool) -> usize {
    let told = std::env::var("COLUMNS").ok();
    // The terminal itself knows best, and this is the only portable way to ask it without unsafe code.
    let asked = || {
        let size = Command::new("stty")
            .arg("size")
            .stdin(Stdio::inherit())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let size = String::from_utf8(size.stdout).ok()?;
        size.split_whitespace().nth(1).map(str::to_owned)
    };
    let told = told.or_else(|| if terminal { asked() } else { None });
    told.and_then(|columns| columns.parse().ok())
        .filter(|columns| *columns > 0)
        .unwrap_or(COLUMNS)
}

/// A text in lines of so many columns.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// A text on one line of so many columns, control characters made visible.
fn shorten(text: &str, columns: usize) -> String {
    let visible: String = text
        .chars()
        .map(|character| match character {
            '\n' => "\\n".to_owned(),
            control if control.is_control() => control.escape_default().to_string(),
            other => other.to_string(),
        })
        .collect();
    if visible.chars().count() <= columns {
        return visible;
    }
    let kept: String = visible.chars().take(columns.saturating_sub(3)).collect();
    format!("{kept}...")
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 record`, `2 records`.
pub(crate) fn counted(number: usize, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{} {one}s", grouped(number as u64))
    }
}
