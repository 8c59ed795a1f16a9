//! How a schema differs from what its migrations make.

use std::fmt;

/// How many differences of each kind a text shows.
const SHOWN: usize = 20;

/// How a schema differs from another one, which a set of migrations made.
///
/// Displays the differences, one to a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaDifference {
    /// Objects that the set makes and this schema does not have, as in `column notes.author`.
    pub missing: Vec<String>,
    /// Objects that the set does not make.
    pub extra: Vec<String>,
    /// Objects with another definition.
    pub changed: Vec<Changed>,
}

/// An object that is defined in another way than the set defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// The object.
    pub object: String,
    /// Its definition in this schema.
    pub here: String,
    /// The definition that the set makes.
    pub made: String,
}

impl SchemaDifference {
    /// Whether the two are the same.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.changed.is_empty()
    }

    /// Every difference, as in `missing here: column notes.author`.
    pub fn lines(&self) -> Vec<String> {
        let missing = self.missing.iter().map(|object| format!("missing here: {object}"));
        let extra = self.extra.iter().map(|object| format!("extra here: {object}"));
        let changed = self.changed.iter().map(|changed| {
            format!("differs: {}\n    here:      {}\n    set makes: {}", changed.object, changed.here, changed.made)
        });
        missing.chain(extra).chain(changed).collect()
    }
}

impl fmt::Display for SchemaDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        let shown = lines.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n  ");
        f.write_str(&shown)?;
        match lines.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
