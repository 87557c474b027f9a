//! How text looks where it is printed: colours, and the width of the terminal.

use std::io::IsTerminal;

use crate::app::settings::choices::ColorChoice;
use crate::app::settings::environment::Environment;

/// Columns below which text is not wrapped any further.
const COLUMNS_MIN: usize = 24;

/// What a piece of text is, and so how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Something refuses or fails.
    Error,
    /// Something does harm.
    Warning,
    /// Something is worth knowing.
    Hint,
    /// All is well.
    Good,
    /// A heading, or what the eye should find first.
    Strong,
    /// What may be passed over.
    Faint,
    /// Text to be copied.
    Code,
}

impl Style {
    /// Select Graphic Rendition (ECMA-48 §8.3.117): the sixteen colours that every terminal has.
    const fn parameters(self) -> &'static str {
        match self {
            Self::Error => "1;31",
            Self::Warning => "1;33",
            Self::Hint => "36",
            Self::Good => "1;32",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Code => "32",
        }
    }
}

/// The place that text is printed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Whether colours are wanted.
    colors: bool,
    /// Columns; `None`: lines are as long as they are.
    columns: Option<usize>,
}

impl Terminal {
    /// Standard output as it is now. `COLUMNS` counts before what the terminal says.
    pub fn of_stdout(choice: ColorChoice, environment: &Environment) -> Self {
        let stdout = std::io::stdout();
        let is_terminal = stdout.is_terminal();
        let asked = environment
            .value("COLUMNS")
            .and_then(|text| text.parse().ok());
        let own = || {
            let size = terminal_size::terminal_size_of(&stdout)?;
            Some(usize::from(size.0.0))
        };
        let columns = asked.or_else(own).filter(|columns| *columns > 0);
        Self::new(choice, is_terminal, columns, environment)
    }

    fn new(
        choice: ColorChoice,
        is_terminal: bool,
        columns: Option<usize>,
        environment: &Environment,
    ) -> Self {
        let colors = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                is_terminal
                    && environment.value("NO_COLOR").is_none()
                    && environment.value("TERM") != Some("dumb")
            }
        };
        Self {
            colors,
            columns: columns.map(|columns| columns.max(COLUMNS_MIN)),
        }
    }

    /// Columns that a line may have; `None` for any number.
    pub const fn columns(self) -> Option<usize> {
        self.columns
    }

    /// `text` in the looks of `style`.
    pub fn paint(self, style: Style, text: &str) -> String {
        if self.colors && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", style.parameters())
        } else {
            text.to_owned()
        }
    }

    /// `text` in lines that fit, each after the first behind `indent` blanks. The first begins at column `start`, counted
    /// from 0. Words that are longer than a line stay whole, so that they can be copied.
    pub fn wrapped(self, text: &str, start: usize, indent: usize) -> String {
        let Some(columns) = self.columns else {
            return text.to_owned();
        };
        let mut out = String::new();
        let mut at = start;
        for (index, word) in text.split(' ').enumerate() {
            let width = word.chars().count();
            if index > 0 && at + 1 + width > columns && at > indent {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                at = indent;
            } else if index > 0 {
                out.push(' ');
                at += 1;
            }
            out.push_str(word);
            at += width;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colors(choice: ColorChoice, is_terminal: bool, variables: &[(&'static str, &str)]) -> bool {
        let terminal = Terminal::new(choice, is_terminal, None, &Environment::of(variables));
        terminal.paint(Style::Error, "x") != "x"
    }

    #[test]
    fn colours_are_for_terminals_that_have_them_unless_asked_otherwise() {
        use ColorChoice::{Always, Auto, Never};
        assert!(colors(Auto, true, &[]));
        assert!(!colors(Auto, false, &[]));
        assert!(!colors(Auto, true, &[("NO_COLOR", "1")]));
        assert!(!colors(Auto, true, &[("TERM", "dumb")]));
        assert!(colors(Always, false, &[("NO_COLOR", "1")]));
        assert!(!colors(Never, true, &[]));
    }

    fn wrapped(columns: usize, text: &str, start: usize, indent: usize) -> String {
        let columns = Some(columns);
        let environment = Environment::of(&[]);
        Terminal::new(ColorChoice::Never, false, columns, &environment).wrapped(text, start, indent)
    }

    #[test]
    fn lines_break_between_words_and_keep_long_words_whole() {
        let text = "aaaaaaaaaa bbbbbbbbbb cccccccccc";
        assert_eq!(wrapped(80, text, 0, 4), text);
        assert_eq!(
            wrapped(24, text, 0, 4),
            "aaaaaaaaaa bbbbbbbbbb\n    cccccccccc"
        );
        assert_eq!(
            wrapped(24, text, 10, 2),
            "aaaaaaaaaa\n  bbbbbbbbbb cccccccccc"
        );
        let long = "x".repeat(50);
        assert_eq!(
            wrapped(24, &format!("aaa {long} b"), 0, 2),
            format!("aaa\n  {long}\n  b")
        );
        assert_eq!(Terminal::default().wrapped(text, 0, 4), text);
    }

    #[test]
    fn a_terminal_of_no_width_is_read_as_a_narrow_one() {
        assert_eq!(wrapped(1, "aaaa bbbb", 0, 2), "aaaa bbbb");
    }
}
