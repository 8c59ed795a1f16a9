//! All the sources, the highest first: the connection string, the service file, the families of variables that
//! deployments use, libpq's variables.

use super::origin::Origin;
use super::parameters::Parameters;
use super::{Variable, family, service, text, variables};
use crate::report::Error;

/// The parameters, and the sources that were asked, for a message about what none of them names.
pub(super) struct Collected {
    pub(super) parameters: Parameters,
    pub(super) asked: Vec<Origin>,
}

/// The parameters of a connection string, and of the service that it names.
pub(super) fn below_text(connection_string: &str, variable: Variable<'_>) -> Result<Collected, Error> {
    let parameters = text::parameters(connection_string)?;
    let origin = if super::url::without_scheme(connection_string).is_some() { Origin::Url } else { Origin::Pairs };
    let mut collected = Collected { parameters, asked: vec![origin] };
    collected.add_service(&Parameters::default(), variable)?;
    Ok(collected)
}

/// The parameters that the environment names, from `DATABASE_URL` on.
pub(super) fn of_environment(variable: Variable<'_>) -> Result<Collected, Error> {
    let libpqs = variables::parameters(variable);
    let url = variable("DATABASE_URL");
    let mut collected = match &url {
        Some(url) => {
            let origin = if super::url::without_scheme(url).is_some() { Origin::Url } else { Origin::Pairs };
            Collected { parameters: text::parameters(url)?, asked: vec![origin] }
        }
        None => Collected { parameters: Parameters::default(), asked: Vec::new() },
    };
    collected.add_service(&libpqs, variable)?;
    if url.is_none() && !libpqs.names_any(&["host", "hostaddr", "dbname", "service"]) {
        let family = family::parameters(variable).ok_or(Error::NoDatabase)?;
        collected.parameters.add_lower(family);
    }
    collected.parameters.add_lower(libpqs);
    collected.asked.push(Origin::variable("PGUSER"));
    Ok(collected)
}

impl Collected {
    /// Adds the service that the parameters name, or else libpq's variables.
    fn add_service(&mut self, libpqs: &Parameters, variable: Variable<'_>) -> Result<(), Error> {
        let find = |keyword| self.parameters.get(keyword).or_else(|| libpqs.get(keyword));
        let Some(name) = find("service") else { return Ok(()) };
        let found = service::parameters(name, find("servicefile"), variable)?;
        if let Some(origin) = found.any_origin() {
            self.asked.push(origin.clone());
        }
        self.parameters.add_lower(found);
        Ok(())
    }
}
