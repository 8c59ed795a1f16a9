//! What a caller says about the mapping.

use std::fmt;
use std::str::FromStr;

use crate::report::Error;

/// One rule of a mapping: `FOREIGN=VERSION`, where `FOREIGN` is what the other tool calls its migration.
///
/// `0001=1`: one to one. `a=1` and `b=1`: several to one, which is applied when all of them are. `0001=1,2`: one to
/// several. `0001=-`: it has no counterpart. `auth.*=-` and `*=1`: everything that begins so; the longest match counts.
/// `tenant:0001=1` and `shared:0001=1`: for this set only.
///
/// ```
/// use migrations_core::MapRule;
///
/// let rule: MapRule = "tenant:shop.0001_initial=1".parse()?;
/// assert_eq!(rule.to_string(), "tenant:shop.0001_initial=1");
/// assert!("shop.0001_initial".parse::<MapRule>().is_err());
/// # Ok::<(), migrations_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRule {
    text: String,
    scope: Option<Scope>,
    foreign: String,
    ours: Vec<i64>,
}

/// The set that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Shared,
    Tenant,
}

impl MapRule {
    /// How well the rule matches: by how many characters; an exact match is better than any beginning.
    pub(super) fn matches(&self, scope: Scope, id: &str) -> Option<usize> {
        if self.scope.is_some_and(|only| only != scope) {
            return None;
        }
        match self.foreign.strip_suffix('*') {
            Some(beginning) => id.starts_with(beginning).then_some(beginning.len()),
            None => (id == self.foreign).then_some(usize::MAX),
        }
    }

    pub(super) fn ours(&self) -> &[i64] {
        &self.ours
    }

    /// Whether it is about this set, if it names one.
    pub(super) fn is_about(&self, scope: Scope) -> bool {
        self.scope.is_none_or(|only| only == scope)
    }

    /// The one migration that it is about.
    pub(super) fn exact(&self) -> Option<&str> {
        (!self.foreign.ends_with('*')).then_some(self.foreign.as_str())
    }

    /// The error that this version is in no set that the rule is about.
    pub(super) fn no_version(&self, version: i64) -> Error {
        Error::Mapping { rule: self.text.clone(), problem: format!("names version {version}, which the set lacks") }
    }
}

impl FromStr for MapRule {
    type Err = Error;

    /// # Errors
    ///
    /// If the text is not a rule.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |problem: &str| Error::Mapping { rule: text.to_owned(), problem: problem.to_owned() };
        let (foreign, ours) = text.rsplit_once('=').ok_or_else(|| bad("has no ="))?;
        let (foreign, ours) = (foreign.trim(), ours.trim());
        let (scope, foreign) = match foreign.split_once(':') {
            Some(("shared", rest)) => (Some(Scope::Shared), rest),
            Some(("tenant", rest)) => (Some(Scope::Tenant), rest),
            _ => (None, foreign),
        };
        if foreign.is_empty() {
            return Err(bad("names no migration before the ="));
        }
        let ours: Option<Vec<i64>> = match ours {
            "-" => Some(Vec::new()),
            versions => versions.split(',').map(|version| version.trim().parse().ok()).collect(),
        };
        let ours = ours.ok_or_else(|| bad("has no version after the ="))?;
        Ok(Self { text: text.trim().to_owned(), scope, foreign: foreign.to_owned(), ours })
    }
}

impl fmt::Display for MapRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// The rules in a text with one in each line. Empty lines and lines that begin with `#` are skipped.
///
/// # Errors
///
/// If a line is not a rule.
pub(super) fn from_lines(text: &str) -> Result<Vec<MapRule>, Error> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_match_counts_and_an_exact_one_most() -> Result<(), Error> {
        let matches = |rule: &str, id| rule.parse::<MapRule>().map(|rule| rule.matches(Scope::Tenant, id));
        assert_eq!(matches("*=1", "a.1")?, Some(0));
        assert_eq!(matches("a.*=1", "a.1")?, Some(2));
        assert_eq!(matches("a.1=1", "a.1")?, Some(usize::MAX));
        assert_eq!((matches("shared:*=1", "a.1")?, matches("a.2=1", "a.1")?), (None, None));
        Ok(())
    }

    #[test]
    fn a_text_that_is_no_rule_says_why() {
        for text in ["", "1", "=1", "1=", "1=x", "1=1,", "tenant:=1"] {
            assert!(matches!(text.parse::<MapRule>(), Err(Error::Mapping { .. })), "{text}");
        }
    }

    #[test]
    fn a_file_has_a_rule_in_each_line() -> Result<(), Error> {
        let rules = from_lines("# users\n 1 = 1 \n\nshop.0001_initial = 2, 3\n")?;
        assert_eq!(
            rules.iter().map(|rule| (rule.foreign.as_str(), rule.ours())).collect::<Vec<_>>(),
            [("1", &[1][..]), ("shop.0001_initial", &[2, 3])]
        );
        Ok(())
    }
}
