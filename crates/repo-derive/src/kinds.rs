//! The JSON type of a field, as far as its Rust type says.

use syn::{GenericArgument, PathArguments, Type};

/// The name of a `FieldKind`, and whether null is allowed.
pub(crate) fn of(kind: &Type) -> (&'static str, bool) {
    let Type::Path(path) = kind else {
        return match kind {
            Type::Array(_) | Type::Slice(_) => ("Array", false),
            Type::Reference(reference) => of(&reference.elem),
            _ => ("Any", true),
        };
    };
    let Some(last) = path.path.segments.last() else { return ("Any", true) };
    let inner = || match &last.arguments {
        PathArguments::AngleBracketed(arguments) => {
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(kind) => Some(of(kind)),
                _ => None,
            })
        }
        _ => None,
    };
    match last.ident.to_string().as_str() {
        "String" | "str" | "char" | "PathBuf" | "Path" | "EntityId" | "Timestamp" => {
            ("Text", false)
        }
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => {
            ("Integer", false)
        }
        "f32" | "f64" => ("Number", false),
        "bool" => ("Boolean", false),
        "Vec" | "VecDeque" | "HashSet" | "BTreeSet" => ("Array", false),
        "HashMap" | "BTreeMap" => ("Object", false),
        "Option" => (inner().map_or("Any", |(kind, _)| kind), true),
        "Box" | "Arc" | "Rc" | "Cow" => inner().unwrap_or(("Any", true)),
        _ => ("Any", true),
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn what_a_type_says_is_declared_and_nothing_else() {
        for (kind, expected) in [
            ("String", ("Text", false)),
            ("std::string::String", ("Text", false)),
            ("Option<u32>", ("Integer", true)),
            ("f64", ("Number", false)),
            ("Option<Box<bool>>", ("Boolean", true)),
            ("Vec<Option<String>>", ("Array", false)),
            ("[u8; 4]", ("Array", false)),
            ("BTreeMap<String, String>", ("Object", false)),
            ("Arc<str>", ("Text", false)),
            ("Status", ("Any", true)),
            ("Option<Status>", ("Any", true)),
            ("(u8, u8)", ("Any", true)),
        ] {
            assert_eq!(of(&syn::parse_str(kind).unwrap()), expected, "{kind}");
        }
    }
}
