//! A place in a migration, and how it is shown: file, line, column and the line itself with a caret.

use std::fmt;

/// A place in a migration's text. Displays the line with a caret under the column.
///
/// ```text
///   --> V7__notes.sql:3:9
///    |
///  3 | SELECT nmae FROM customers;
///    |        ^
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    file: String,
    line: usize,
    column: usize,
    text: String,
}

/// A line longer than this is cut around the caret, in characters.
const WIDEST: usize = 120;

impl Excerpt {
    /// The place `offset` bytes into `text`, which is the content of `file`.
    pub(crate) fn new(file: &str, text: &str, offset: usize) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let end = text[offset..].find('\n').map_or(text.len(), |at| offset + at);
        Self {
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[start..offset].chars().count() + 1,
            // What a terminal would obey, or not show, is shown as a replacement character.
            text: text[start..end].trim_end().replace(|c: char| c.is_control() && c != '\t', "\u{fffd}"),
        }
    }

    /// The migration's file, or its name where it is written in Rust.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The line's text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, text } = self;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let skipped = if *column > WIDEST { column - WIDEST / 2 } else { 0 };
        // A tab stays a tab in the caret's line, so that both lines are as wide as each other on any terminal.
        let shown: String = text.chars().skip(skipped).take(WIDEST).collect();
        let before: String =
            text.chars().skip(skipped).take(column - 1 - skipped).map(|c| if c == '\t' { c } else { ' ' }).collect();
        writeln!(f, " {margin}--> {file}:{line}:{column}")?;
        writeln!(f, " {margin} |")?;
        writeln!(f, " {number} | {shown}")?;
        write!(f, " {margin} | {before}^")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_and_column_count_characters() {
        let text = "SELECT 1;\n\t-- ä\nSELECT 'ü', nmae;\n";
        let excerpt = Excerpt::new("V1__x.sql", text, text.find("nmae").unwrap_or_default());
        assert_eq!((excerpt.line(), excerpt.column()), (3, 13));
        assert_eq!(excerpt.to_string(), "  --> V1__x.sql:3:13\n   |\n 3 | SELECT 'ü', nmae;\n   |             ^");
    }

    #[test]
    fn an_offset_past_the_end_or_inside_a_character_is_harmless() {
        assert_eq!(Excerpt::new("f", "ä", 1).column(), 1);
        assert_eq!(Excerpt::new("f", "a\n", 99).line(), 2);
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = Excerpt::new("f", &text, 500).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[2].find('X'), lines[3].find('^'));
        assert!(lines[2].len() < 140);
    }
}
