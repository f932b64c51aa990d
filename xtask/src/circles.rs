//! The circles of a graph: its strongly connected components (Tarjan).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::graph::{self, Graph};
use crate::modules::{self, ModulePath};

/// Modules of which each uses each other, some through others.
#[derive(Debug)]
pub(crate) struct Circle {
    uses: Vec<(ModulePath, ModulePath, String)>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (from, to, name) in &self.uses {
            writeln!(f, "  {} -> {} ({name})", shown(from), shown(to))?;
        }
        Ok(())
    }
}

fn shown(path: &ModulePath) -> String {
    if path.is_empty() { "crate".to_owned() } else { path.join("::") }
}

/// The circles of the crate in `folder`.
pub(crate) fn of_crate(folder: &Path) -> Result<Vec<Circle>, String> {
    let graph = graph::of(&modules::read(folder)?);
    Ok(components(&graph).into_iter().map(|circle| uses(&graph, &circle)).collect())
}

fn uses(graph: &Graph, circle: &[ModulePath]) -> Circle {
    let mut uses = Vec::new();
    for from in circle {
        for (to, name) in graph.get(from).into_iter().flatten() {
            if circle.contains(to) {
                uses.push((from.clone(), to.clone(), name.clone()));
            }
        }
    }
    uses.sort();
    Circle { uses }
}

/// Components of two modules or more.
fn components(graph: &Graph) -> Vec<Vec<ModulePath>> {
    let mut search = Search::new(graph);
    for module in graph.keys() {
        if !search.order.contains_key(module) {
            search.visit(module);
        }
    }
    search.found
}

struct Search<'a> {
    graph: &'a Graph,
    order: BTreeMap<&'a ModulePath, usize>,
    lowest: BTreeMap<&'a ModulePath, usize>,
    stack: Vec<&'a ModulePath>,
    found: Vec<Vec<ModulePath>>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            order: BTreeMap::new(),
            lowest: BTreeMap::new(),
            stack: Vec::new(),
            found: Vec::new(),
        }
    }

    fn visit(&mut self, module: &'a ModulePath) {
        let number = self.order.len();
        self.order.insert(module, number);
        self.stack.push(module);
        let mut lowest = number;
        for next in self.graph.get(module).into_iter().flat_map(BTreeMap::keys) {
            if !self.graph.contains_key(next) {
                continue;
            }
            if !self.order.contains_key(next) {
                self.visit(next);
                lowest = lowest.min(self.lowest.get(next).copied().unwrap_or(number));
            } else if self.stack.contains(&next) {
                lowest = lowest.min(self.order.get(next).copied().unwrap_or(number));
            }
        }
        self.lowest.insert(module, lowest);
        if lowest == number {
            let at = self.stack.iter().position(|found| *found == module).unwrap_or_default();
            let circle: Vec<ModulePath> = self.stack.drain(at..).cloned().collect();
            if circle.len() > 1 {
                self.found.push(circle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry(vec![(*to).to_owned()]).or_default();
            graph
                .entry(vec![(*from).to_owned()])
                .or_default()
                .insert(vec![(*to).to_owned()], "x".to_owned());
        }
        graph
    }

    #[test]
    fn a_circle_is_found_and_what_leads_to_it_is_not_in_it() {
        let found = components(&graph(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].len(), 2);
    }

    #[test]
    fn without_a_circle_nothing_is_found() {
        assert!(components(&graph(&[("a", "b"), ("a", "c"), ("b", "c")])).is_empty());
    }
}
