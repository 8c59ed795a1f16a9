//! A pattern that names are compared with.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A pattern for names: `*` stands for any text, `?` for one character, everything else for itself.
///
/// Schemas often have `_` in their names, which is a wildcard in SQL's `LIKE`; so this is the pattern of a shell.
///
/// ```
/// use migrations_core::NamePattern;
///
/// let pattern = NamePattern::new("shop_*");
/// assert!(pattern.matches("shop_7") && !pattern.matches("shops"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// The pattern with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the whole name has this form.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), name.chars().collect());
        let (mut at, mut of) = (0, 0);
        // Where to continue when the text that the last `*` stands for turns out to be longer.
        let mut back = None;
        while of < name.len() {
            match pattern.get(at) {
                Some('*') => {
                    back = Some((at, of));
                    at += 1;
                }
                Some(&wanted) if wanted == '?' || wanted == name[of] => (at, of) = (at + 1, of + 1),
                _ => {
                    let Some((star, start)) = back else { return false };
                    back = Some((star, start + 1));
                    (at, of) = (star + 1, start + 1);
                }
            }
        }
        pattern[at..].iter().all(|&left| left == '*')
    }
}

impl FromStr for NamePattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        let cases = [
            ("acme", "acme", true),
            ("acme", "acme2", false),
            ("*", "", true),
            ("a*e", "acme", true),
            ("a*e", "acmes", false),
            ("*_*_x", "a_b_x", true),
            ("*_x", "a_x_x", true),
            ("shop_?", "shop_7", true),
            ("shop_?", "shop_", false),
            ("shop_?", "shopa7", false),
            ("", "", true),
            ("", "a", false),
            ("a**", "a", true),
        ];
        for (pattern, name, matches) in cases {
            assert_eq!(NamePattern::new(pattern).matches(name), matches, "{pattern} {name}");
        }
    }
}
