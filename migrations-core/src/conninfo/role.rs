//! The role, and the source that chose it.

use super::Variable;
use super::origin::Origin;
use super::sources::Collected;

/// The role, unless nothing names one, and the words for its source. Without a name, the driver asks the operating
/// system for its user.
pub(super) fn role(collected: &Collected, variable: Variable<'_>) -> (Option<String>, String) {
    if let Some(user) = collected.parameters.get("user") {
        return (Some(user.value.clone()), user.origin.to_string());
    }
    let because = because(&collected.asked);
    match variable("USER") {
        Some(user) => (Some(user), format!("the variable USER, because {because}")),
        None => (None, format!("the operating system's user, because {because}")),
    }
}

/// `neither the URL nor PGUSER names a role`.
fn because(asked: &[Origin]) -> String {
    let name = |origin: &Origin| match origin {
        Origin::Variable(name) => name.clone(),
        other => other.to_string(),
    };
    let names: Vec<_> = asked.iter().map(name).collect();
    match names.as_slice() {
        [] => "nothing names a role".to_owned(),
        [only] => format!("{only} does not name a role"),
        [first @ .., last] => format!("neither {} nor {last} names a role", first.join(" nor ")),
    }
}
