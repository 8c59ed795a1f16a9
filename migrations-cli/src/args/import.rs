//! The command `import`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use migrations_core::{MapRule, TenantSchemas, Tool};

/// Takes over a database that another tool has migrated: writes this binary's histories from the tool's.
///
/// It runs no migration and changes nothing of the tool's. It reads the tool's histories in the shared schema and in
/// every other schema that has one, and registers the others as tenants. A migration of the tool corresponds to this
/// binary's migration with the same version and name, or else with the same name; --map overrides this. A schema in
/// which something has no counterpart is refused, and the others are imported. A second import changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Mappings (--map, and the lines of --map-file):
  0001=1               the tool's 0001 is version 1
  0001=1, 0002=1       several are one: version 1 is applied if all of them are
  0001=1,2             one is several
  0001=-               it has no counterpart
  '*=1', 'auth.*=-'    everything that begins so; the longest match counts
  tenant:0001=1        for the tenants only; shared:0001=1 for the shared schema only

Examples:
  {program} import --from sqlx --dry-run
  {program} import --from sqlx && {program} up
  {program} import --from django --map '*=1'

Exit codes: 0 the histories are written, 1 a schema was refused, or something failed, 2 usage")]
pub(crate) struct Import {
    /// The tool
    #[arg(long, value_name = "TOOL", value_parser = tool())]
    pub(crate) from: Tool,

    /// Show the mapping and what would be done with each schema; write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// The name of the tool's history table, if it is not the tool's default
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,

    /// What a migration of the tool corresponds to; can be given several times
    #[arg(long, value_name = "FOREIGN=VERSION")]
    pub(crate) map: Vec<MapRule>,

    /// A file with one mapping in each line; empty lines and lines that begin with # are skipped
    #[arg(long, value_name = "FILE")]
    pub(crate) map_file: Option<PathBuf>,

    /// Which schemas with a history of the tool are tenants: history (all), registered, or those whose names match a
    /// LIKE pattern
    #[arg(long, value_name = "WHICH", default_value = "history")]
    pub(crate) tenants_by: TenantsBy,
}

#[derive(Clone, Debug)]
pub(crate) struct TenantsBy(pub(crate) TenantSchemas);

impl FromStr for TenantsBy {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(match text {
            "history" => TenantSchemas::WithHistory,
            "registered" => TenantSchemas::Registered,
            pattern => TenantSchemas::Like(pattern.to_owned()),
        }))
    }
}

fn tool() -> impl TypedValueParser<Value = Tool> {
    PossibleValuesParser::new(Tool::ALL.map(Tool::as_str)).try_map(|name| name.parse::<Tool>())
}
