use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

fn target() -> Target {
    Target { id: "T1".into(), fqdn: "t1.example.org".into(), ..Target::default() }
}

fn variables() -> Arc<dyn StepVariables> {
    let mut variables = VariableMap::new();
    for (name, json) in [("message", "\"Hello\""), ("n", "5"), ("o", "{\"a\": 1}"), ("nothing", "null")] {
        variables.set("v", name, serde_json::from_str(json).unwrap());
    }
    Arc::new(variables)
}

fn try_expand(source: &str) -> Result<String, TemplateError> {
    let target = target();
    let subject = Subject::new(&target, Some(variables()));
    Template::parse(source, &Functions::default())?.expand(&subject).map(Cow::into_owned)
}

fn expand(source: &str) -> String {
    try_expand(source).unwrap()
}

fn refusal(source: &str) -> String {
    try_expand(source).unwrap_err().to_string()
}

#[test]
fn the_parameters_of_the_recordings_expand_as_recorded() {
    assert_eq!(expand("hello {{ .ID }} {{ ToUpper .FQDN }}"), "hello T1 T1.EXAMPLE.ORG");
    assert_eq!(
        expand("Title={{ Title .FQDN }}, ToUpper={{ ToUpper .FQDN }}"),
        "Title=T1.Example.Org, ToUpper=T1.EXAMPLE.ORG"
    );
    assert_eq!(expand("{{ StringVar \"v.message\" }} {{ IntVar \"v.n\" }}"), "Hello 5");
    assert_eq!(expand("Test 1, Step 1, target {{ .ID }}"), "Test 1, Step 1, target T1");
    assert_eq!(expand("[[ .WaitPort]] {1.50} }}"), "[[ .WaitPort]] {1.50} }}");
}

#[test]
fn an_address_that_is_not_set_is_empty_text() {
    assert_eq!(expand("<{{ .PrimaryIPv4 }}|{{ printf \"%s\" .PrimaryIPv6 }}>"), "<|>");
    assert_eq!(expand("{{ if .PrimaryIPv4 }}a{{ else }}b{{ end }}"), "b");
    let target = Target { primary_ipv4: Some([10, 0, 0, 1].into()), ..target() };
    let template = Template::parse("{{.PrimaryIPv4}} {{print .PrimaryIPv4}}", &Functions::default()).unwrap();
    assert_eq!(template.expand(&Subject::new(&target, None)).unwrap(), "10.0.0.1 10.0.0.1");
}

#[test]
fn the_language_is_gos() {
    assert_eq!(expand("{{ if eq .ID \"T1\" }}yes{{ else }}no{{ end }}"), "yes");
    assert_eq!(expand("{{ len .ID }}{{ slice .ID 1 2 }}"), "21");
    assert_eq!(expand("{{ with .FQDN }}{{ . }}{{ end }} {{- .ID -}}  x"), "t1.example.orgT1x");
    assert_eq!(expand("{{ define \"d\" }}<{{ . }}>{{ end }}{{ template \"d\" .ID }}{{/* c */}}"), "<T1>");
    assert_eq!(expand("{{ .ID | printf \"%5s|%-4s\" \"a\" }}"), "    a|T1  ");
    assert_eq!(expand("{{ $x := .ID }}{{ $x }}{{ $.FQDN }}"), "T1t1.example.org");
    assert_eq!(expand("{{ do_nothing \"a\" 2 }}{{ ToLower \"ÄB\" | Title }}"), "aÄb");
    assert_eq!(expand("{{ range 3 }}{{ . }}{{ end }}"), "012");
    assert_eq!(expand("{{ html \"<a>\" | printf \"%q\" }}"), "\"&lt;a&gt;\"");
}

#[test]
fn the_target_prints_as_contest_prints_it() {
    for source in [
        "{{ . }}",
        "{{ $ }}{{/**/}}",
        "{{ .String }}",
        "{{ if .ID }}{{ . }}{{ end }}",
        "{{ printf \"%s\" . }}",
        "{{ . | printf \"%v\" }}",
        "{{ print $ }}",
        "{{ with $x := . }}{{ print $x }}{{ end }}",
    ] {
        assert_eq!(expand(source), "Target{ID: \"T1\", FQDN: \"t1.example.org\"}", "{source}");
    }
}

#[test]
fn errors_read_like_gos() {
    assert_eq!(
        refusal("{{ .Nope }}"),
        "template: :1:3: executing \"\" at <.Nope>: can't evaluate field Nope in type *target.Target"
    );
    assert_eq!(
        refusal("a\nbc{{ ToUpper .Nope }}"),
        "template: :2:13: executing \"\" at <.Nope>: can't evaluate field Nope in type *target.Target"
    );
    assert_eq!(
        refusal("{{ .ID.Nope }}"),
        "template: :1:3: executing \"\" at <.ID.Nope>: can't evaluate field Nope in type string"
    );
    assert_eq!(
        refusal("{{ StringVar \"v.x\" }}"),
        "template: :1:3: executing \"\" at <StringVar \"v.x\">: error calling StringVar: step 'v' didn't emit \
         variable 'x' yet for target 'T1'"
    );
    assert_eq!(
        refusal("{{ StringVar \"w.message\" }}"),
        "template: :1:3: executing \"\" at <StringVar \"w.message...>: error calling StringVar: step 'w' didn't \
         emit any variables yet"
    );
    assert_eq!(
        refusal("{{ IntVar \"v.message\" }}"),
        "template: :1:3: executing \"\" at <IntVar \"v.message\">: error calling IntVar: json: cannot unmarshal \
         string into Go value of type int"
    );
    assert_eq!(
        refusal("{{ StringVar \"v\" }}"),
        "template: :1:3: executing \"\" at <StringVar \"v\">: error calling StringVar: not 'label.variable' format of 'v'"
    );
    assert_eq!(
        refusal("{{ ToUpper 1 2 }}"),
        "template: :1:3: executing \"\" at <ToUpper 1 2>: wrong number of args for ToUpper: want 1 got 2"
    );
    assert_eq!(expand("{{ StringVar \"v.nothing\" }}"), "");
}

#[test]
fn what_is_no_template_is_refused_when_it_is_parsed() {
    assert_eq!(
        refusal("{{ Nope .ID }}"),
        "failed to parse template: template: :1: function \"Nope\" not defined"
    );
    assert_eq!(
        refusal("\n{{ print (Nope) }}"),
        "failed to parse template: template: :2: function \"Nope\" not defined"
    );
    assert_eq!(refusal("{{ if .ID }}"), "failed to parse template: template: :1: unexpected EOF");
    assert_eq!(refusal("{{ end }}"), "failed to parse template: template: :1: unexpected {{end}}");
    assert_eq!(refusal("{{ $x }}"), "failed to parse template: template: :1: undefined variable \"$x\"");
    for source in ["{{", "{{ .ID", "{{ \"a }}", "{{ | }}", "{{ (.ID }}"] {
        assert!(refusal(source).starts_with("failed to parse template: template: :1: "), "{source}");
    }
}

#[test]
fn a_template_cannot_run_away() {
    let too_much = |source: &str| {
        let refusal = refusal(source);
        assert!(refusal.starts_with("the template does too much: "), "{source}: {refusal}");
    };
    too_much("{{ $x := \"aaaaaaaa\" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}");
    too_much("{{ $x := \"aaaaaaaa\" }}{{ range 40 }}{{ $x = printf \"%s%s\" $x $x }}{{ end }}");
    too_much("{{ $x := \"aaaaaaaa\" }}{{ range 40 }}{{ $x = $x | printf \"%s%s\" (print $x) }}{{ end }}");
    too_much("{{ range 10000000 }}aaaaaaaaaaaaaaaaaaaaa{{ end }}");
    too_much("{{ range 1000000000 }}{{ end }}");
    too_much(&format!("{{{{ printf \"{}\" }}}}", "%65535d".repeat(10_000)));
    let mut laughs = "{{ define \"a0\" }}{{ end }}".to_owned();
    for n in 1..60 {
        let m = n - 1;
        laughs.push_str(&format!(
            "{{{{define \"a{n}\"}}}}{{{{template \"a{m}\"}}}}{{{{template \"a{m}\"}}}}{{{{end}}}}"
        ));
    }
    laughs.push_str("{{ template \"a59\" }}");
    too_much(&laughs);
    assert!(refusal("{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}").contains("depth"));
    too_much(&format!("{{{{ .ID }}}}{}", "x".repeat(LONGEST_OUTPUT)));
    assert_eq!(expand("{{ range 100 }}{{ print . \" \" }}{{ end }}").len(), 290);
}

#[test]
fn deep_templates_do_not_overflow_the_stack() {
    let ifs = format!("{}x{}", "{{ if .ID }}".repeat(95), "{{ end }}".repeat(95));
    assert_eq!(expand(&ifs), "x");
    let parens = format!("{{{{ {}.ID{} }}}}", "print (".repeat(95), ")".repeat(95));
    assert_eq!(expand(&parens), "T1");
    let deeper = format!(
        "{{{{ define \"a\" }}}}{}{{{{ template \"a\" . }}}}{}{{{{ end }}}}{{{{ template \"a\" . }}}}",
        "{{ with print (print .) }}".repeat(60),
        "{{ end }}".repeat(60)
    );
    assert!(refusal(&deeper).contains("depth"));
    for too_deep in [
        "{{ if .ID }}".repeat(100_000) + &"{{ end }}".repeat(100_000),
        format!("{{{{ {}1 }}}}", "(".repeat(100_000)),
    ] {
        assert!(try_expand(&too_deep).is_err());
    }
}

#[test]
fn templates_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Template>();
    shared::<Functions>();
}

struct Counted(Arc<AtomicUsize>);

impl ParameterSource for Counted {
    fn read(&self) -> Result<Vec<u8>, String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(br#"[{"ID":"T1","Parameter":{"BmcHost":"bmc1","SlotToTest":"slot2","Other":1}},{"ID":"T2"}]"#
            .to_vec())
    }
}

#[test]
fn parameters_of_a_target_are_looked_up_in_a_file_that_is_read_once() {
    let reads = Arc::new(AtomicUsize::new(0));
    let functions = Functions::new(Counted(Arc::clone(&reads)));
    let target = target();
    let subject = Subject::new(&target, None);
    for (source, expected) in [
        ("{{ getBmcHost .ID }} {{ getTty .ID }} {{ getSlotToTest .ID }}", "bmc1 /dev/ttyS2 slot2"),
        ("<{{ getBmcUser .ID }}{{ getBmcHost \"T9\" }}{{ getTty \"T2\" }}>", "<>"),
    ] {
        assert_eq!(Template::parse(source, &functions).unwrap().expand(&subject).unwrap(), expected);
    }
    assert_eq!(reads.load(Ordering::Relaxed), 1);
    assert!(
        refusal("{{ getBmcHost .ID }}")
            .ends_with("error calling getBmcHost: open parameters.json: no such file or directory")
    );
}

#[test]
fn problems_are_seen_before_a_template_is_expanded() {
    let problems = |source: &str| inspect(source, &Functions::default()).problems;
    assert_eq!(problems("plain }} text"), [""; 0]);
    assert_eq!(problems("{{ .ID }}{{ with .FQDN }}{{ .x }}{{ end }}"), [""; 0]);
    assert_eq!(problems("{{ ToUpper .Fqdn }}"), ["can't evaluate field Fqdn in type *target.Target"]);
    assert_eq!(problems("{{ if .ID }}{{ print (len $.Nope) }}{{ end }}").len(), 1);
    assert_eq!(
        problems("{{ Nope }}"),
        ["failed to parse template: template: :1: function \"Nope\" not defined"]
    );
    assert_eq!(problems("{{ StringVar \"x\" }}").len(), 1);
    let variables =
        inspect("{{ if true }}{{ StringVar \"a.b\" | ToUpper }}{{ end }}", &Functions::default()).variables;
    assert_eq!(variables, [VariableUse { label: "a".into(), name: "b".into() }]);
}

#[test]
fn sixty_thousand_expansions_are_quick() {
    let functions = Functions::default();
    let sources = ["hello {{ .ID }} of {{ .FQDN }}", "{{ ToUpper .FQDN }}", "plain text without anything"];
    let templates = sources.map(|source| Template::parse(source, &functions).unwrap());
    let start = std::time::Instant::now();
    let mut length = 0;
    for n in 0..20_000 {
        let target = Target { id: format!("T{n}"), fqdn: format!("t{n}.example.org"), ..Target::default() };
        let subject = Subject::new(&target, None);
        length += templates.iter().map(|t| t.expand(&subject).unwrap().len()).sum::<usize>();
    }
    assert!(length > 20_000);
    // Far above what it takes in a release build, far below what parsing each time would take in this one.
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}

proptest! {
    #[test]
    fn no_template_panics(source in "(\\{\\{-? ?(if|end|else|range|with|define|block|template|break|continue|print|printf|index|slice|len|\\.ID|\\.|\\$x|:=|=|\\||\\(|\\)|\"%d\"|\"a\"|3|nil|true|eq|[ a-z.$\"`'{}%0-9]){0,6} ?-?\\}\\}|[a-z \\n{}]){0,6}") {
        if let Ok(template) = Template::parse(&source, &Functions::default()) {
            let target = target();
            let _either = template.expand(&Subject::new(&target, Some(variables())));
        }
        let _any = inspect(&source, &Functions::default());
    }
}
