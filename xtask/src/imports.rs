//! What a module imports and names.

use syn::visit::{self, Visit};
use syn::{Item, ItemUse, Macro, UseTree, Visibility};

/// One name that a `use` declaration brings in.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    /// The path as written.
    pub(crate) path: Vec<String>,
    /// The name here; `*` for all of them.
    pub(crate) name: String,
    /// Whether others may import it from here.
    pub(crate) reexport: bool,
}

/// Takes in a `use` declaration.
pub(crate) fn declared(item: &ItemUse, into: &mut Vec<Import>) {
    let reexport = !matches!(item.vis, Visibility::Inherited);
    tree(&item.tree, &mut Vec::new(), reexport, into);
}

fn tree(tree_of: &UseTree, before: &mut Vec<String>, reexport: bool, into: &mut Vec<Import>) {
    let mut import = |path: Vec<String>, name: String| into.push(Import { path, name, reexport });
    match tree_of {
        UseTree::Path(part) => {
            before.push(part.ident.to_string());
            tree(&part.tree, before, reexport, into);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            let last = before.last().cloned().unwrap_or_default();
            import(before.clone(), last);
        }
        UseTree::Name(name) => import(with(before, &name.ident), name.ident.to_string()),
        UseTree::Rename(name) if name.ident == "self" => {
            import(before.clone(), name.rename.to_string());
        }
        UseTree::Rename(name) => import(with(before, &name.ident), name.rename.to_string()),
        UseTree::Glob(_) => import(before.clone(), "*".to_owned()),
        UseTree::Group(group) => {
            for part in &group.items {
                tree(part, before, reexport, into);
            }
        }
    }
}

fn with(before: &[String], last: &syn::Ident) -> Vec<String> {
    before.iter().cloned().chain([last.to_string()]).collect()
}

/// Takes in every path of two parts or more that an item names.
pub(crate) fn named(item: &Item, into: &mut Vec<Vec<String>>) {
    Paths { into }.visit_item(item);
}

struct Paths<'a> {
    into: &'a mut Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.into.push(parts);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        // Arguments of the usual macros are expressions between commas; of the
        // others nothing is known.
        let parser = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        if let Ok(arguments) = called.parse_body_with(parser) {
            for argument in &arguments {
                // The visitor needs it to live as long as the file.
                Paths { into: self.into }.visit_expr(argument);
            }
        }
        visit::visit_macro(self, called);
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(super)` uses nothing of the parent.
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut imports = Vec::new();
        declared(item, &mut imports);
        self.into.extend(imports.into_iter().map(|import| import.path));
    }
}
