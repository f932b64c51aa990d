//! Manifests and the tree of a directory.

use repo_core::{ErrorKind, Result};
use repo_data::directory::{
    DirectoryTree, EntryPath, Found, LeftOut, MAX_MANIFEST_BYTES, Manifest, NodeKind, Unknown,
};

const JSON: &str = r#"{
  "project_files": {
    "description": "Main project directory",
    "entries": {
      "src/": {
        "description": "Source code directory",
        "entries": {"main.py": "Main application entry point", "utils.py": "Utility functions"}
      },
      "data/": {
        "description": "Data files directory",
        "entries": {
          "config.json": {"description": "Configuration file", "metadata": {"rate": 0.10}},
          "sample.csv": "Sample dataset"
        }
      }
    }
  }
}"#;

const YAML: &str = "
project_files:
  description: Main project directory
  entries:
    src/:
      description: Source code directory
      entries:
        main.py: Main application entry point
        utils.py: Utility functions
    data/:
      description: Data files directory
      entries:
        config.json:
          description: Configuration file
          metadata: {rate: 0.10}
        sample.csv: Sample dataset
";

fn path(text: &str) -> EntryPath {
    text.parse().unwrap()
}

fn file(text: &str) -> Result<Found> {
    Ok(Found::File { path: path(text), size: 1 })
}

fn directory(text: &str) -> Result<Found> {
    Ok(Found::Directory(path(text)))
}

#[test]
fn json_and_yaml_say_the_same() {
    let json = Manifest::from_file("m.JSON", JSON.as_bytes()).unwrap();
    assert_eq!(json, Manifest::from_file("m.yaml", YAML.as_bytes()).unwrap());
    assert_eq!(json, Manifest::from_file("m.yml", JSON.as_bytes()).unwrap());
}

#[test]
fn every_inner_description_survives() {
    let manifest = Manifest::from_json(JSON).unwrap();
    let found = [
        directory("data"),
        file("data/config.json"),
        file("data/sample.csv"),
        directory("src"),
        file("src/main.py"),
        file("src/utils.py"),
        file("src/new.py"),
    ];
    let tree = DirectoryTree::build("project_files", found, Some(&manifest)).unwrap();
    let described: Vec<_> = tree
        .nodes
        .iter()
        .map(|node| {
            let parent = node.parent.map(|at| tree.nodes[at].name.as_str());
            (parent, node.name.as_str(), node.description.as_deref())
        })
        .collect();
    let expected = [
        (None, "project_files", Some("Main project directory")),
        (Some("project_files"), "data", Some("Data files directory")),
        (Some("data"), "config.json", Some("Configuration file")),
        (Some("data"), "sample.csv", Some("Sample dataset")),
        (Some("project_files"), "src", Some("Source code directory")),
        (Some("src"), "main.py", Some("Main application entry point")),
        (Some("src"), "utils.py", Some("Utility functions")),
        (Some("src"), "new.py", None),
    ];
    assert_eq!(described, expected);
    let metadata = tree.nodes[2].metadata.as_ref().unwrap();
    assert_eq!(metadata["rate"].to_string(), "0.1");
    assert_eq!(tree.unknown, []);
}

#[test]
fn what_is_not_there_is_reported() {
    let manifest = r#"{"p": {"entries": {"a/": "dir", "b": "file", "c/": {"d": "x"}}}, "q": "?"}"#;
    let manifest = Manifest::from_json(manifest).unwrap();
    let link = Ok(Found::LeftOut { path: path("link"), why: LeftOut::Link });
    let tree = DirectoryTree::build("p", [file("a"), link], Some(&manifest)).unwrap();
    let unknown: Vec<_> =
        tree.unknown.iter().map(|entry| (entry.path.as_str(), entry.why)).collect();
    let expected = [
        ("q", Unknown::BesideDirectory),
        ("a", Unknown::IsAFile),
        ("b", Unknown::NotThere),
        ("c", Unknown::NotThere),
        ("c/d", Unknown::NotThere),
    ];
    assert_eq!(unknown, expected);
    assert_eq!(tree.left_out, [(path("link"), LeftOut::Link)]);
}

#[test]
fn a_manifest_may_begin_with_what_is_in_the_directory() {
    let manifest =
        Manifest::from_yaml("src:\n  main.py: Starts here\nREADME: 5\nempty:\n").unwrap();
    let found = [file("README"), file("empty"), file("src/main.py")];
    let tree = DirectoryTree::build("proj", found, Some(&manifest)).unwrap();
    let described = |name: &str| {
        tree.nodes.iter().find(|node| node.name == name).unwrap().description.as_deref()
    };
    assert_eq!(described("main.py"), Some("Starts here"));
    assert_eq!(described("README"), Some("5"));
    assert_eq!(described("empty"), None);
    assert_eq!(tree.unknown, []);
    assert_eq!(tree.nodes[3].kind, NodeKind::Directory);
}

#[test]
fn names_beside_a_description_are_entries() {
    let manifest = r#"{"p": {"description": "P", "a.txt": "A", "entries": {"b.txt": "B"}}}"#;
    let manifest = Manifest::from_json(manifest).unwrap();
    let node = manifest.of_directory("p");
    assert_eq!(node.entries["a.txt"].description.as_deref(), Some("A"));
    assert_eq!(node.entries["b.txt"].description.as_deref(), Some("B"));
}

#[test]
fn what_is_no_manifest_is_refused_with_its_place() {
    let cases = [
        ("[]", ""),
        ("{", ""),
        (r#"{"a":["b"]}"#, "/a"),
        (r#"{"a":1,"a":2}"#, "/a"),
        (r#"{"a":"x","a/":"y"}"#, "/a~1"),
        (r#"{"..":"x"}"#, "/.."),
        (r#"{"a/b":"x"}"#, "/a~1b"),
        (r#"{"a":{"entries":[]}}"#, "/a/entries"),
        (r#"{"a":{"entries":{"b":1},"b":2}}"#, "/a/b"),
        (r#"{"a":{"description":{}}}"#, "/a/description"),
        (r#"{"a":{"metadata":"x"}}"#, "/a/metadata"),
    ];
    for (text, at) in cases {
        let error = Manifest::from_json(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        assert_eq!(error.context_value("at"), Some(at), "{text}: {error}");
    }
    for name in ["manifest.toml", "manifest", "json"] {
        assert_eq!(Manifest::from_file(name, b"{}").unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert!(Manifest::from_file("m.json", b"\xff").is_err());
    assert!(Manifest::from_json(&" ".repeat(MAX_MANIFEST_BYTES + 1)).is_err());
}

#[test]
fn hostile_yaml_is_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let repeated = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{repeated}]\n"));
    }
    let deep = format!("a: {}{}", "[".repeat(2_000), "]".repeat(2_000));
    let cases = [
        bomb.as_str(),
        deep.as_str(),
        "a: 1\na: 2\n",
        "a: b\n---\nc: d\n",
        "- a\n",
        "a: [unclosed",
        "a: .inf",
        "a: !!binary AAAA\nb: *missing",
        "\"a\\0b\": x",
        "? {x: y}\n: z",
    ];
    for text in cases {
        let error = Manifest::from_yaml(text).expect_err(&text[..40.min(text.len())]);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().len() < 1_000);
    }
    assert_eq!(Manifest::from_yaml("").unwrap(), Manifest::default());
}

#[test]
fn a_tree_fits_together() {
    for found in [
        vec![file("a"), file("a")],
        vec![file("a"), file("a/b")],
        vec![file("a/b"), file("a")],
        vec![file("a"), directory("a")],
    ] {
        let error = DirectoryTree::build("p", found, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    for name in ["", "..", "a/b"] {
        assert!(DirectoryTree::build(name, [], None).is_err());
    }
    let implied = DirectoryTree::build("p", [file("a/b/c")], None).unwrap();
    let names: Vec<_> = implied.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["p", "a", "b", "c"]);
    assert_eq!(implied.nodes[3].parent, Some(2));
}
