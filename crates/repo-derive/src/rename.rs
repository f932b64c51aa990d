//! Names as serde writes them: its `rename_all` rules.

/// The name of a field in the document, by the rule of its type. `None` when there
/// is no such rule.
pub(crate) fn apply(rule: &str, field: &str) -> Option<String> {
    let words = || field.split('_').filter(|word| !word.is_empty());
    Some(match rule {
        "lowercase" | "snake_case" => field.to_owned(),
        "UPPERCASE" | "SCREAMING_SNAKE_CASE" => field.to_ascii_uppercase(),
        "kebab-case" => field.replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => field.to_ascii_uppercase().replace('_', "-"),
        "PascalCase" => words().map(capital).collect(),
        "camelCase" => {
            let pascal: String = words().map(capital).collect();
            let mut chars = pascal.chars();
            chars.next().map_or_else(String::new, |first| {
                format!("{}{}", first.to_ascii_lowercase(), chars.as_str())
            })
        }
        _ => return None,
    })
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_ascii_uppercase(), chars.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn the_rules_are_those_of_serde() {
        for (rule, name) in [
            ("lowercase", "machine_id"),
            ("UPPERCASE", "MACHINE_ID"),
            ("PascalCase", "MachineId"),
            ("camelCase", "machineId"),
            ("snake_case", "machine_id"),
            ("SCREAMING_SNAKE_CASE", "MACHINE_ID"),
            ("kebab-case", "machine-id"),
            ("SCREAMING-KEBAB-CASE", "MACHINE-ID"),
        ] {
            assert_eq!(apply(rule, "machine_id").as_deref(), Some(name), "{rule}");
        }
        assert_eq!(apply("Title Case", "machine_id"), None);
    }
}
