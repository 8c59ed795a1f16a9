//! Keeps passwords out of messages that repeat a part of the command line, such as clap's for an unknown argument.
//! Other texts do not pass through it: those of the database never hold a password.

/// The text without the passwords of connection strings, in either form.
pub(crate) fn hide(text: &str) -> String {
    hide_after(&hide_in_urls(text), "password=")
}

const HIDDEN: &str = "***";

/// `scheme://user:password@host`: everything between the first colon and the last `@` before a space or a quote.
fn hide_in_urls(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + "://".len());
        hidden.push_str(before);
        let end = url.find(|c: char| c.is_whitespace() || c == '\'' || c == '"').unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        match (url.find(':'), url.rfind('@')) {
            (Some(colon), Some(at)) if colon < at => {
                hidden.push_str(&url[..=colon]);
                hidden.push_str(HIDDEN);
                hidden.push_str(&url[at..]);
            }
            _ => hidden.push_str(url),
        }
        rest = after;
    }
    hidden + rest
}

/// `password=secret`, or `password='se cret'`.
fn hide_after(text: &str, key: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(key) {
        let (before, value) = rest.split_at(at + key.len());
        hidden.push_str(before);
        hidden.push_str(HIDDEN);
        let end = match value.strip_prefix('\'') {
            Some(quoted) => quoted.find('\'').map(|end| end + 2),
            None => value.find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '&')),
        };
        rest = &value[end.unwrap_or(value.len())..];
    }
    hidden + rest
}

#[cfg(test)]
mod tests {
    use super::hide;

    #[test]
    fn a_password_in_a_connection_string_is_hidden() {
        for (text, hidden) in [
            ("'postgres://app:s3cret@db/app' is not", "'postgres://app:***@db/app' is not"),
            ("postgres://app:s3:c@ret@db", "postgres://app:***@db"),
            ("postgres://app:s3/cret@db", "postgres://app:***@db"),
            ("host=db password=s3cret user=app", "host=db password=*** user=app"),
            ("password='s3 cret' user=app", "password=*** user=app"),
            ("postgres://db/app?password=s3cret&a=b", "postgres://db/app?password=***&a=b"),
        ] {
            assert_eq!(hide(text), hidden);
        }
    }

    #[test]
    fn any_other_text_stays() {
        for text in ["", "see https://docs.rs/clap for more", "postgres://app@db:5432/app", "mail a:b@c"] {
            assert_eq!(hide(text), text);
        }
    }
}
