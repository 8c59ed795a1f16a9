//! A migration's name: `V{version}__{snake_name}`, as refinery reads it, but strictly: no file is skipped, and nothing
//! after the name is ignored.

use super::problem::Problem;

/// The version and the name in `stem`.
pub(super) fn parse(stem: &str) -> Result<(i64, String), Problem> {
    if let Some(rest) = stem.strip_prefix('U')
        && rest.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(Problem::Unversioned);
    }
    let (version, name) = stem.strip_prefix('V').and_then(|rest| rest.split_once("__")).ok_or(Problem::FileName)?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_version = !version.is_empty() && version.chars().all(|c| c.is_ascii_digit());
    if !is_name || !is_version {
        return Err(Problem::FileName);
    }
    let version = version.parse().map_err(|_| Problem::VersionTooLarge)?;
    Ok((version, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_refinery_reads_them() {
        assert_eq!(parse("V3__add_notes"), Ok((3, "add_notes".into())));
        assert_eq!(parse("V20260131120000__x"), Ok((20_260_131_120_000, "x".into())));
        assert_eq!(parse("V1__a__b"), Ok((1, "a__b".into())));
    }

    #[test]
    fn anything_else_is_refused() {
        for stem in
            ["", "V", "V1", "V1_a", "v1__a", "V1__", "V__a", "V1__a-b", "V1__a.up", "V-1__a", "V1.5__a", "X1__a"]
        {
            assert_eq!(parse(stem), Err(Problem::FileName), "{stem}");
        }
        assert_eq!(parse("U1__a"), Err(Problem::Unversioned));
        assert_eq!(parse("V99999999999999999999__a"), Err(Problem::VersionTooLarge));
    }
}
