//! The Python package, built in: `oyez pyats run` needs nothing installed beside pyATS.

/// Each file's place below the folder that is put on `PYTHONPATH`, and its text.
pub const FILES: &[(&str, &str)] = &[
    ("oyez/__init__.py", include_str!("../../../../../clients/python/oyez/__init__.py")),
    ("oyez/pyats/__init__.py", include_str!("../../../../../clients/python/oyez/pyats/__init__.py")),
    ("oyez/pyats/client.py", include_str!("../../../../../clients/python/oyez/pyats/client.py")),
    ("oyez/pyats/server.py", include_str!("../../../../../clients/python/oyez/pyats/server.py")),
    ("oyez/pyats/swap.py", include_str!("../../../../../clients/python/oyez/pyats/swap.py")),
    ("oyez/reporter/__init__.py", include_str!("../../../../../clients/python/oyez/reporter/__init__.py")),
    ("oyez/reporter/calls.py", include_str!("../../../../../clients/python/oyez/reporter/calls.py")),
    ("oyez/reporter/client.py", include_str!("../../../../../clients/python/oyez/reporter/client.py")),
    (
        "oyez/reporter/connection.py",
        include_str!("../../../../../clients/python/oyez/reporter/connection.py"),
    ),
    ("oyez/reporter/errors.py", include_str!("../../../../../clients/python/oyez/reporter/errors.py")),
    ("oyez/reporter/framing.py", include_str!("../../../../../clients/python/oyez/reporter/framing.py")),
    ("oyez/reporter/opaque.py", include_str!("../../../../../clients/python/oyez/reporter/opaque.py")),
    ("oyez/reporter/pickles.py", include_str!("../../../../../clients/python/oyez/reporter/pickles.py")),
    ("oyez/reporter/resilient.py", include_str!("../../../../../clients/python/oyez/reporter/resilient.py")),
    ("oyez/reporter/results.py", include_str!("../../../../../clients/python/oyez/reporter/results.py")),
    ("oyez/reporter/runfolder.py", include_str!("../../../../../clients/python/oyez/reporter/runfolder.py")),
    ("oyez/reporter/sealed.py", include_str!("../../../../../clients/python/oyez/reporter/sealed.py")),
    ("oyez/reporter/server.py", include_str!("../../../../../clients/python/oyez/reporter/server.py")),
    ("oyez/reporter/settings.py", include_str!("../../../../../clients/python/oyez/reporter/settings.py")),
    (
        "oyez/reporter/subscription.py",
        include_str!("../../../../../clients/python/oyez/reporter/subscription.py"),
    ),
    ("oyez-0.1.0.dist-info/METADATA", include_str!("../../../../../clients/python/dist-info/METADATA")),
    (
        "oyez-0.1.0.dist-info/entry_points.txt",
        include_str!("../../../../../clients/python/dist-info/entry_points.txt"),
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_file_of_the_python_package_is_built_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/python");
        let mut found = BTreeSet::new();
        let mut todo = vec![root.join("oyez")];
        while let Some(folder) = todo.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if path.is_dir() {
                    todo.push(path);
                } else if path.extension().is_some_and(|e| e == "py") {
                    found.insert(path.strip_prefix(&root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let built: BTreeSet<String> = super::FILES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .filter(|name| name.ends_with(".py"))
            .collect();
        assert_eq!(built, found);
    }
}
