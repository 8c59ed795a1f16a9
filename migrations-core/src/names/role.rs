//! The name of a role.

use std::fmt;
use std::str::FromStr;

use super::error::{Kind, NameError, Problem, identifier_problem};

/// The name of a role.
///
/// Any name that PostgreSQL keeps whole: 1 to 63 bytes of any characters, since it is quoted wherever it is sent.
/// `none` is refused, because `SET ROLE none` means no role.
///
/// ```
/// use migrations_core::RoleName;
///
/// let role: RoleName = "shop_tenants".parse()?;
/// assert_eq!(role.as_str(), "shop_tenants");
/// # Ok::<(), migrations_core::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(String);

impl RoleName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoleName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let problem = match name {
            "none" | "public" => Some(Problem::Reserved),
            _ => identifier_problem(name),
        };
        match problem {
            None => Ok(Self(name.to_owned())),
            Some(problem) => Err(Kind::Role.error(name, problem)),
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
