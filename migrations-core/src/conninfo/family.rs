//! The variables that deployments use for a database: `POSTGRES_HOST` and its kin, then `DB_HOST` and its kin.

use super::Variable;
use super::origin::Origin;
use super::parameters::Parameters;

/// The prefixes, the first that counts wins.
const PREFIXES: [&str; 2] = ["POSTGRES", "DB"];

/// The last parts of the names, each with its keyword. Of several for one keyword, the first counts.
const PARTS: [(&str, &str); 7] = [
    ("HOST", "host"),
    ("PORT", "port"),
    ("USER", "user"),
    ("PASSWORD", "password"),
    ("DB", "dbname"),
    ("NAME", "dbname"),
    ("DATABASE", "dbname"),
];

/// The parameters of the first family that names a host or a database.
pub(super) fn parameters(variable: Variable<'_>) -> Option<Parameters> {
    let mut families = PREFIXES.into_iter().filter_map(|prefix| {
        let family = family(prefix, variable);
        family.names_any(&["host", "dbname"]).then_some((prefix, family))
    });
    let (prefix, family) = families.next()?;
    if let Some((other, ignored)) = families.next() {
        let keywords = ["host", "port", "user", "password", "dbname"];
        let differs =
            |keyword: &&str| ignored.get(keyword).is_some() && ignored.value(keyword) != family.value(keyword);
        let differing: Vec<_> = keywords.into_iter().filter(differs).collect();
        if !differing.is_empty() {
            let differing = differing.join(", ");
            log::warn!("{prefix}_* and {other}_* differ in {differing}: {prefix}_* is used, {other}_* is ignored");
        }
    }
    Some(family)
}

fn family(prefix: &str, variable: Variable<'_>) -> Parameters {
    let mut family = Parameters::default();
    for (part, keyword) in PARTS {
        let name = format!("{prefix}_{part}");
        let value = variable(&name).filter(|value| !is_kubernetes(keyword, value));
        if let Some(value) = value.filter(|_| family.get(keyword).is_none()) {
            family.set(keyword, value, &Origin::Variable(name));
        }
    }
    family
}

/// Whether Kubernetes has set the variable for a service that is called `postgres` or `db`, as in
/// `DB_PORT=tcp://10.0.0.1:5432`.
fn is_kubernetes(keyword: &str, value: &str) -> bool {
    keyword == "port" && value.starts_with("tcp://")
}
