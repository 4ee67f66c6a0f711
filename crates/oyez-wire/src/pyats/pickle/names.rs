//! What Python 2 called things: in protocols before 3 the old names stand, also when Python 3 writes them.
//! Source: the tables `IMPORT_MAPPING` and `NAME_MAPPING` of Python's `_compat_pickle`.

/// The names of today for a module and a name in it.
pub(super) fn today<'p>(module: &'p str, name: &'p str) -> (&'p str, &'p str) {
    match (module, name) {
        ("__builtin__", "xrange") => ("builtins", "range"),
        ("__builtin__", "reduce") => ("functools", "reduce"),
        ("__builtin__", "intern") => ("sys", "intern"),
        ("__builtin__", "unichr") => ("builtins", "chr"),
        ("__builtin__", "unicode" | "basestring") => ("builtins", "str"),
        ("__builtin__", "long") => ("builtins", "int"),
        ("itertools", "izip") => ("builtins", "zip"),
        ("itertools", "imap") => ("builtins", "map"),
        ("itertools", "ifilter") => ("builtins", "filter"),
        ("itertools", "ifilterfalse") => ("itertools", "filterfalse"),
        ("itertools", "izip_longest") => ("itertools", "zip_longest"),
        ("UserDict", "UserDict" | "IterableUserDict") => ("collections", "UserDict"),
        ("exceptions", "StandardError") => ("builtins", "Exception"),
        ("exceptions", name) if is_old_exception(name) => ("builtins", name),
        ("multiprocessing", "AuthenticationError" | "BufferTooShort" | "ProcessError" | "TimeoutError")
        | ("multiprocessing.process", "Process") => ("multiprocessing.context", name),
        ("_multiprocessing", "Connection") => ("multiprocessing.connection", name),
        ("multiprocessing.forking", "Popen") => ("multiprocessing.popen_fork", name),
        ("_socket", "fromfd") => ("socket", name),
        ("socket", "_socketobject") => ("socket", "SocketType"),
        ("urllib", "ContentTooShortError") | ("urllib2", "HTTPError" | "URLError") => ("urllib.error", name),
        (
            "urllib",
            "getproxies" | "pathname2url" | "url2pathname" | "urlcleanup" | "urlopen" | "urlretrieve",
        ) => ("urllib.request", name),
        ("urllib", "quote" | "quote_plus" | "unquote" | "unquote_plus" | "urlencode") => {
            ("urllib.parse", name)
        }
        _ => (module_today(module), name),
    }
}

fn module_today(module: &str) -> &str {
    match module {
        "__builtin__" => "builtins",
        "copy_reg" => "copyreg",
        "Queue" => "queue",
        "SocketServer" => "socketserver",
        "ConfigParser" => "configparser",
        "repr" => "reprlib",
        "UserDict" | "UserList" | "UserString" => "collections",
        "StringIO" | "cStringIO" => "io",
        "cPickle" => "pickle",
        "_abcoll" => "collections.abc",
        "_elementtree" => "xml.etree.ElementTree",
        "markupbase" => "_markupbase",
        "_winreg" => "winreg",
        "thread" => "_thread",
        "dummy_thread" => "_dummy_thread",
        "anydbm" | "whichdb" => "dbm",
        "dbhash" => "dbm.bsd",
        "dumbdbm" => "dbm.dumb",
        "dbm" => "dbm.ndbm",
        "gdbm" => "dbm.gnu",
        "xmlrpclib" => "xmlrpc.client",
        "SimpleXMLRPCServer" | "DocXMLRPCServer" => "xmlrpc.server",
        "httplib" => "http.client",
        "Cookie" => "http.cookies",
        "cookielib" => "http.cookiejar",
        "BaseHTTPServer" | "SimpleHTTPServer" | "CGIHTTPServer" => "http.server",
        "htmlentitydefs" => "html.entities",
        "HTMLParser" => "html.parser",
        "urlparse" => "urllib.parse",
        "urllib2" => "urllib.request",
        "robotparser" => "urllib.robotparser",
        "commands" => "subprocess",
        "test.test_support" => "test.support",
        _ => module,
    }
}

fn is_old_exception(name: &str) -> bool {
    const OTHERS: [&str; 16] = [
        "BaseException",
        "BytesWarning",
        "DeprecationWarning",
        "Exception",
        "FutureWarning",
        "GeneratorExit",
        "ImportWarning",
        "KeyboardInterrupt",
        "PendingDeprecationWarning",
        "RuntimeWarning",
        "StopIteration",
        "SyntaxWarning",
        "SystemExit",
        "UnicodeWarning",
        "UserWarning",
        "Warning",
    ];
    name.ends_with("Error") || OTHERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_become_those_of_today_and_others_stay() {
        assert_eq!(today("__builtin__", "set"), ("builtins", "set"));
        assert_eq!(today("__builtin__", "xrange"), ("builtins", "range"));
        assert_eq!(today("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor"));
        assert_eq!(today("exceptions", "ValueError"), ("builtins", "ValueError"));
        assert_eq!(today("exceptions", "Nothing"), ("exceptions", "Nothing"));
        assert_eq!(today("mine", "set"), ("mine", "set"));
    }
}
