//! SQL from a file, with placeholders.

use std::fmt::{Display, Write};

/// The tag of the templates' dollar quotes.
const TAG: &str = "$migrate$";

/// The template with a value in place of every `%key%`. Placeholders inside a value are not replaced, and a value cannot
/// end the dollar quotes of the template.
pub(crate) fn fill(template: &str, values: &[(&str, &dyn Display)]) -> String {
    let is_quoted = template.contains(TAG);
    let (mut filled, mut tags) = (String::with_capacity(template.len() * 2), Vec::new());
    let mut inserted = false;
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('%') {
        push(&mut filled, before, &mut tags);
        let length = after.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(after.len());
        let (key, end) = after.split_at(length);
        let value = end.strip_prefix('%').and_then(|end| {
            let (_, value) = values.iter().find(|(known, _)| *known == key)?;
            Some((value, end))
        });
        rest = if let Some((value, end)) = value {
            let start = filled.len();
            let _ = write!(filled, "{value}");
            inserted |= is_quoted && filled[start..].contains('$');
            end
        } else {
            filled.push('%');
            after
        };
    }
    push(&mut filled, rest, &mut tags);
    if inserted { with_another_tag(&filled, &tags) } else { filled }
}

/// Appends a part of a template, and notes where its tags stand.
fn push(filled: &mut String, part: &str, tags: &mut Vec<usize>) {
    tags.extend(part.match_indices(TAG).map(|(at, _)| filled.len() + at));
    filled.push_str(part);
}

/// The text with a tag that stands nowhere else in it. A name can hold the usual one.
fn with_another_tag(text: &str, tags: &[usize]) -> String {
    // The text cannot hold this many tags.
    let free = (0..=text.len()).map(|number| format!("$migrate{number}$")).find(|tag| !text.contains(tag.as_str()));
    let tag = free.unwrap_or_else(|| TAG.to_owned());
    let mut replaced = String::with_capacity(text.len() + tags.len() * tag.len());
    let mut copied = 0;
    for &at in tags {
        replaced.push_str(&text[copied..at]);
        replaced.push_str(&tag);
        copied = at + TAG.len();
    }
    replaced.push_str(&text[copied..]);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_filled_once_and_a_format_is_left_alone() {
        let filled = fill("%a%, %b%: format('%I.%I %', %a%) LIKE 'x%'", &[("a", &"%b%"), ("b", &7)]);
        assert_eq!(filled, "%b%, 7: format('%I.%I %', %b%) LIKE 'x%'");
    }

    #[test]
    fn a_value_cannot_end_the_quotes_of_the_template() {
        let template = "DO $migrate$ BEGIN PERFORM %name%; END $migrate$";
        assert_eq!(fill(template, &[("name", &"'a'")]), "DO $migrate$ BEGIN PERFORM 'a'; END $migrate$");
        let filled = fill(template, &[("name", &"'$migrate$ $migrate0$'")]);
        assert_eq!(filled, "DO $migrate1$ BEGIN PERFORM '$migrate$ $migrate0$'; END $migrate1$");
        // The beginning of a tag can come from a value, and its end from the template.
        let filled = fill("DO $migrate$ '%name%' $migrate$", &[("name", &"$migrate")]);
        assert_eq!(filled, "DO $migrate0$ '$migrate' $migrate0$");
    }
}
