//! SQL from a file, with placeholders.

use std::fmt::{Display, Write};

/// The template with a value in place of every `%key%`. Placeholders inside a value are not replaced.
pub(crate) fn fill(template: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut filled = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('%') {
        filled.push_str(before);
        let length = behind.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(behind.len());
        let (key, end) = behind.split_at(length);
        let value = end.strip_prefix('%').and_then(|after| {
            let (_, value) = values.iter().find(|(known, _)| *known == key)?;
            Some((value, after))
        });
        rest = if let Some((value, after)) = value {
            let _ = write!(filled, "{value}");
            after
        } else {
            filled.push('%');
            behind
        };
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_filled_once_and_a_format_is_left_alone() {
        let filled = fill("%a%, %b%: format('%I.%I %', %a%) LIKE 'x%'", &[("a", &"%b%"), ("b", &7)]);
        assert_eq!(filled, "%b%, 7: format('%I.%I %', %b%) LIKE 'x%'");
    }
}
