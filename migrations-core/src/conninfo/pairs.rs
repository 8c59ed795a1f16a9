//! A connection string of `key=value` pairs
//! (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE>).

/// Why a text is not a list of pairs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotPairs {
    NoEqualsSign,
    NoClosingQuote,
    /// Pairs that are separated as in the connection strings of other drivers.
    Semicolons,
}

/// The pairs in their order, with quotes and escapes undone.
pub(super) fn pairs(text: &str) -> Result<Vec<(&str, String)>, NotPairs> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (keyword, after) = rest.split_once('=').ok_or(NotPairs::NoEqualsSign)?;
        let keyword = keyword.trim_end();
        if keyword.is_empty() || keyword.contains(char::is_whitespace) {
            return Err(NotPairs::NoEqualsSign);
        }
        let after = after.trim_start();
        let is_quoted = after.starts_with('\'');
        let (value, after) = value(after)?;
        if !is_quoted && is_with_semicolons(&value) {
            return Err(NotPairs::Semicolons);
        }
        found.push((keyword, value));
        rest = after.trim_start();
    }
    Ok(found)
}

/// Whether another pair follows a semicolon: `db;password=…` is not the name of a host.
fn is_with_semicolons(value: &str) -> bool {
    let is_keyword = |text: &str| {
        text.split_once('=').is_some_and(|(keyword, _)| {
            let keyword = keyword.trim();
            !keyword.is_empty() && keyword.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ' ')
        })
    };
    value.split(';').skip(1).any(is_keyword)
}

/// The value at the beginning of a text, and the text after it.
fn value(text: &str) -> Result<(String, &str), NotPairs> {
    let quoted = text.strip_prefix('\'');
    let text = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted.is_some() => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            _ if quoted.is_none() && character.is_whitespace() => {
                return Ok((value, text.get(at..).unwrap_or_default()));
            }
            _ => value.push(character),
        }
    }
    if quoted.is_some() { Err(NotPairs::NoClosingQuote) } else { Ok((value, "")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_separated_by_spaces_and_may_be_quoted() {
        let read =
            |text| pairs(text).map(|pairs| pairs.into_iter().map(|(k, v)| format!("{k}→{v}")).collect::<Vec<_>>());
        let of = |pairs: &[&str]| Ok(pairs.iter().map(|pair| (*pair).to_owned()).collect());
        assert_eq!(read(""), of(&[]));
        assert_eq!(read(" host = db  port=1 "), of(&["host→db", "port→1"]));
        assert_eq!(read("password='a b' user=x"), of(&["password→a b", "user→x"]));
        assert_eq!(read(r"password='it\'s \\' user=x\ y"), of(&[r"password→it's \", "user→x y"]));
        assert_eq!(read("password='' user="), of(&["password→", "user→"]));
        assert_eq!(read("host"), Err(NotPairs::NoEqualsSign));
        assert_eq!(read("host=db x y=1"), Err(NotPairs::NoEqualsSign));
        assert_eq!(read("host='db"), Err(NotPairs::NoClosingQuote));
        for text in ["host=db;port=1;user=x;password=y", "Host=db;Database=x", "user=x;password=y host=db"] {
            assert_eq!(read(text), Err(NotPairs::Semicolons), "{text}");
        }
        assert_eq!(read("password=a;b"), of(&["password→a;b"]));
        assert_eq!(read("password='a;b=c'"), of(&["password→a;b=c"]));
    }
}
