//! A migration in another tool's history, whatever the tool.

use crate::report::Refusal;

/// The version or name, the description, the tool's state, and the checksum of one row, as text.
pub(super) type Row = [Option<String>; 4];

/// Where a tool keeps its histories, and what a row says.
pub(super) struct Source {
    /// The table's name, unless the tool is configured otherwise.
    pub(super) table: &'static str,
    /// Columns that a table of the tool has.
    pub(super) columns: &'static [&'static str],
    /// The four expressions of a [`Row`].
    pub(super) select: &'static str,
    /// The order of the rows, in which the tool applied them.
    pub(super) order: &'static str,
    /// What the rows of one schema say.
    pub(super) read: fn(&[Row]) -> Result<History, Refusal>,
}

/// What is applied to a schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    pub(super) applied: Vec<Foreign>,
    /// Rows that are not versions.
    pub(super) left_out: Vec<String>,
}

/// An applied migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Foreign {
    /// What rules call it.
    pub(super) id: String,
    pub(super) description: Option<String>,
    /// The parts of its version, as in `1.2`, without zeros at the end; empty if it has no version.
    pub(super) version: Vec<i64>,
    /// The names that a migration of the set can have in order to correspond to it.
    pub(super) names: Vec<String>,
    pub(super) checksum: Option<Checksum>,
    /// Whether it stands for every earlier version too.
    pub(super) covers: bool,
}

/// A checksum of the text that the tool ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// refinery's, of name, version and text.
    Refinery(u64),
    /// Of the text, in hexadecimal digits.
    Sha384(String),
    /// Of the lines without their ends.
    Crc32(i32),
}

impl Foreign {
    /// The version, if it is one number.
    pub(super) fn number(&self) -> Option<i64> {
        match self.version.as_slice() {
            [number] => Some(*number),
            _ => None,
        }
    }

    /// Whether it stands for the other one too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.covers && !other.version.is_empty() && other.version <= self.version
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

/// A row's column, or the reason that the table cannot be read.
pub(super) fn column<'a>(row: &'a Row, index: usize, name: &str) -> Result<&'a str, Refusal> {
    row[index].as_deref().ok_or_else(|| Refusal::Unreadable(format!("a row has no {name}")))
}

/// The parts of a version, as in `2024.01`; empty if it is not one. Zeros at the end say nothing: `1.0` is `1`.
pub(super) fn parts(version: &str) -> Vec<i64> {
    let parts: Option<Vec<i64>> = version.split(['.', '_']).map(|part| part.parse().ok()).collect();
    let mut parts = parts.unwrap_or_default();
    while parts.len() > 1 && parts.last() == Some(&0) {
        parts.pop();
    }
    parts
}

/// A text as the name of a migration of a set: lower case, and `_` for everything that such a name cannot have.
pub(super) fn as_name(text: &str) -> String {
    let letters = text.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_its_numbers() {
        assert_eq!(
            (parts("001"), parts("1.2"), parts("1_2"), parts("1.0.0")),
            (vec![1], vec![1, 2], vec![1, 2], vec![1])
        );
        assert_eq!((parts("0"), parts("m2024"), parts(""), parts("1.a")), (vec![0], vec![], vec![], vec![]));
    }

    #[test]
    fn a_text_is_a_name_when_its_other_characters_are_underscores() {
        assert_eq!(
            (as_name("Create users"), as_name("shop.0001_initial")),
            ("create_users".into(), "shop_0001_initial".into())
        );
    }
}
