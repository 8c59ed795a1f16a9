//! libpq's variables (<https://www.postgresql.org/docs/current/libpq-envars.html>).

use super::Variable;
use super::keyword::KEYWORDS;
use super::origin::Origin;
use super::parameters::Parameters;

/// The parameters that libpq's variables name.
pub(super) fn parameters(variable: Variable<'_>) -> Parameters {
    let mut parameters = Parameters::default();
    for (keyword, name) in KEYWORDS {
        if let Some(value) = Some(name).filter(|name| !name.is_empty()).and_then(variable) {
            parameters.set(keyword, value, &Origin::variable(name));
        }
    }
    // The older form of the mode counts where the newer one does not say.
    if !parameters.names_any(&["sslmode"]) && variable("PGREQUIRESSL").is_some_and(|value| value.starts_with('1')) {
        parameters.set("sslmode", "require".to_owned(), &Origin::variable("PGREQUIRESSL"));
    }
    parameters
}
