//! The functions that ConTest adds to Go's own (specs/contest.md 1.2).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use gotmpl::{FuncMap, TemplateError, Value};
use serde::Deserialize;

use super::{bounds, session, variables};

/// The functions of Go's templates themselves.
const BUILT_IN: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print",
    "printf", "println", "slice", "urlquery",
];

/// The longest `parameters.json` that is read.
const LONGEST_PARAMETERS: usize = 16 << 20;

/// Gives the bytes of ConTest's `./parameters.json`, for `getBmcHost` and its kin.
///
/// It is asked once for all templates of a job, when the first of these functions is called.
pub trait ParameterSource: Send + Sync {
    /// The file's content; it should stop reading at 16 MiB.
    ///
    /// # Errors
    /// Why it cannot be read, as ConTest says it: `open parameters.json: no such file or directory`.
    fn read(&self) -> Result<Vec<u8>, String>;
}

/// There is no such file.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoParameters;

impl ParameterSource for NoParameters {
    fn read(&self) -> Result<Vec<u8>, String> {
        Err("open parameters.json: no such file or directory".to_owned())
    }
}

/// The functions that a job's templates may call.
pub struct Functions {
    map: FuncMap,
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.map.keys()).finish()
    }
}

impl Default for Functions {
    fn default() -> Self {
        Functions::new(NoParameters)
    }
}

impl Functions {
    /// ConTest's functions, with `parameters.json` from where the caller says.
    #[must_use]
    pub fn new(parameters: impl ParameterSource + 'static) -> Self {
        let mut map = FuncMap::new();
        for (name, function) in bounds::functions() {
            map.insert(name.to_owned(), Arc::new(function));
        }
        add_text(&mut map, "ToUpper", |text| Ok(text.to_uppercase()));
        add_text(&mut map, "ToLower", |text| Ok(text.to_lowercase()));
        add_text(&mut map, "Title", |text| Ok(title(text)));
        add_variables(&mut map);
        map.insert("do_nothing".to_owned(), Arc::new(do_nothing));
        add_parameters(&mut map, Table { source: Box::new(parameters), read: OnceLock::new() });
        Functions { map }
    }

    pub(super) fn map(&self) -> &FuncMap {
        &self.map
    }

    /// Whether a template may call it.
    pub(super) fn is_known(&self, name: &str) -> bool {
        BUILT_IN.contains(&name) || (self.map.contains_key(name) && !name.starts_with(' '))
    }
}

/// Registers a function of one text.
fn add_text(
    map: &mut FuncMap,
    name: &'static str,
    function: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
) {
    let call = move |args: &[Value]| {
        let text = one_text(name, args)?;
        bounds::charge(text.len())?;
        let result = function(text).map_err(|e| failed(name, &e))?;
        bounds::charge(result.len())?;
        Ok(Value::String(result.into()))
    };
    map.insert(name.to_owned(), Arc::new(call));
}

/// Go's texts for a function's error and for wrong arguments.
fn failed(name: &str, e: &str) -> TemplateError {
    TemplateError::Exec(format!("error calling {name}: {e}"))
}

fn one_text<'v>(name: &str, args: &'v [Value]) -> Result<&'v str, TemplateError> {
    let [arg] = args else {
        return Err(TemplateError::Exec(format!(
            "wrong number of args for {name}: want 1 got {}",
            args.len()
        )));
    };
    match arg {
        Value::String(text) => Ok(text),
        other => {
            let found = other.type_name();
            Err(TemplateError::Exec(format!("wrong type for value; expected string; got {found}")))
        }
    }
}

/// ConTest's example of a function: gives back the first of its arguments.
fn do_nothing(args: &[Value]) -> Result<Value, TemplateError> {
    args.first().cloned().ok_or_else(|| failed("do_nothing", "no arguments"))
}

/// Go's `strings.Title`: the first letter of each word in title case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut start = true;
    for c in text.chars() {
        if start {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        start = if c.is_ascii() { !c.is_ascii_alphanumeric() && c != '_' } else { c.is_whitespace() };
    }
    out
}

/// What a variable is.
enum Got {
    Json(String),
    /// It is not known yet.
    Placeholder(String),
}

fn add_variables(map: &mut FuncMap) {
    fn get(reference: &str) -> Result<Got, String> {
        let (label, name) = variables::split_reference(reference)?;
        let found = session::with(|session| {
            let variables = session.variables.as_ref()?;
            Some(match variables.placeholder(label, name) {
                Some(placeholder) => Ok(Got::Placeholder(placeholder)),
                None => variables.get(&session.target, label, name).map(Got::Json),
            })
        });
        match found.flatten() {
            Some(found) => found.map_err(|e| e.to_string()),
            None => Err(variables::VariableError::NoneYet { label: label.to_owned() }.to_string()),
        }
    }
    fn wrong_type(json: &str, go_type: &str) -> String {
        let said = match json.as_bytes().first() {
            Some(b'{') => "object".to_owned(),
            Some(b'[') => "array".to_owned(),
            Some(b'"') => "string".to_owned(),
            Some(b't' | b'f') => "bool".to_owned(),
            _ if go_type == "int" => format!("number {json}"),
            _ => "number".to_owned(),
        };
        format!("json: cannot unmarshal {said} into Go value of type {go_type}")
    }
    add_text(map, "StringVar", |reference| {
        let json = match get(reference)? {
            Got::Json(json) => json,
            Got::Placeholder(text) => return Ok(text),
        };
        serde_json::from_str::<Option<String>>(&json)
            .map(Option::unwrap_or_default)
            .map_err(|_| wrong_type(&json, "string"))
    });
    let int = |args: &[Value]| {
        let json = match get(one_text("IntVar", args)?).map_err(|e| failed("IntVar", &e))? {
            Got::Json(json) => json,
            Got::Placeholder(text) => return Ok(Value::String(text.into())),
        };
        let number = serde_json::from_str::<Option<i64>>(&json);
        number
            .map(|number| Value::Int(number.unwrap_or_default()))
            .map_err(|_| failed("IntVar", &wrong_type(&json, "int")))
    };
    map.insert("IntVar".to_owned(), Arc::new(int));
}

/// The content of `parameters.json` by target.
struct Table {
    source: Box<dyn ParameterSource>,
    read: OnceLock<Result<HashMap<String, Entry>, String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Entry {
    private_key_file: String,
    bmc_host: String,
    bmc_user: String,
    bmc_password: String,
    slot_to_test: String,
    github_repo: String,
}

impl Table {
    fn get(&self, target: &str) -> Result<Option<&Entry>, String> {
        match self.read.get_or_init(|| self.load()) {
            Ok(table) => Ok(table.get(target)),
            Err(e) => Err(e.clone()),
        }
    }

    fn load(&self) -> Result<HashMap<String, Entry>, String> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "PascalCase", default)]
        struct Line {
            #[serde(rename = "ID")]
            id: String,
            parameter: Entry,
        }
        let bytes = self.source.read()?;
        if bytes.len() > LONGEST_PARAMETERS {
            return Err(format!("parameters.json is longer than {LONGEST_PARAMETERS} bytes"));
        }
        let lines: Vec<Line> = serde_json::from_slice(&bytes).map_err(|e| format!("parameters.json: {e}"))?;
        let mut table = HashMap::with_capacity(lines.len());
        for line in lines {
            // ConTest looks from the start, so the first of two counts.
            table.entry(line.id).or_insert(line.parameter);
        }
        Ok(table)
    }
}

/// Registers the functions of the OCP set; a target that is not in the file gives empty text.
fn add_parameters(map: &mut FuncMap, table: Table) {
    type Pick = fn(&Entry) -> &str;
    let picks: [(&'static str, Pick); 7] = [
        ("getPrivateKeyFile", |entry| &entry.private_key_file),
        ("getBmcHost", |entry| &entry.bmc_host),
        ("getBmcUser", |entry| &entry.bmc_user),
        ("getBmcPassword", |entry| &entry.bmc_password),
        ("getSlotToTest", |entry| &entry.slot_to_test),
        ("getGithubRepo", |entry| &entry.github_repo),
        ("getTty", |entry| match entry.slot_to_test.as_str() {
            "slot1" => "/dev/ttyS1",
            "slot2" => "/dev/ttyS2",
            "slot3" => "/dev/ttyS3",
            "slot4" => "/dev/ttyS4",
            _ => "",
        }),
    ];
    let table = Arc::new(table);
    for (name, pick) in picks {
        let table = Arc::clone(&table);
        add_text(map, name, move |target| Ok(table.get(target)?.map(pick).unwrap_or_default().to_owned()));
    }
}
