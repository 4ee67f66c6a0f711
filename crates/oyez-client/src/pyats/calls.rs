//! Each call of the report server as a method (specs/pyats.md section 2).
//!
//! "The context" is what this client opened last and has not closed; if it has nothing open, that of its parent process.
//! Every method can also fail as [`ReportClient::call`] does; what is listed is what it raises itself.

use oyez_model::Value;

use super::arguments::Argument;
use super::client::not_understood;
use super::{Arguments, Error, ReportClient, Section, TestResult};

/// Where a plugin stands in the run of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginStage<'a> {
    /// Before the tasks of the job with this id; it may come before the suite, and makes it.
    PreJob(&'a str),
    /// After the tasks of the job with this id.
    PostJob(&'a str),
    /// Before the task with this id; it may come before the task, and makes it.
    PreTask(&'a str),
    /// After the task with this id.
    PostTask(&'a str),
}

impl ReportClient {
    /// Asks whether anybody is there.
    ///
    /// # Errors
    /// [`Error::MessageReceive`] if it answers something else than `pong`.
    pub async fn ping(&mut self) -> Result<(), Error> {
        match self.call("ping", Arguments::new()).await?.as_str() {
            Some("pong") => Ok(()),
            _ => Err(not_understood("ping", "the answer was not 'pong'".to_owned())),
        }
    }

    /// Starts the test suite: the whole job. Usual arguments: `name`, `job_type`, `suite_name`, `cli`, `jobfile`, `host`,
    /// `submitter`, `user`, `archivefile`.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`]: it started before.
    pub async fn start_testsuite(&mut self, id: &str, arguments: Arguments) -> Result<(), Error> {
        self.nothing("start_testsuite", arguments.with("id", id)).await
    }

    /// Stops the test suite. Sections that were left open in tasks that have stopped become errored; `num_tasks` says how
    /// many tasks there should have been.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`]: the context is no suite.
    pub async fn stop_testsuite(&mut self, arguments: Arguments) -> Result<(), Error> {
        self.nothing("stop_testsuite", arguments).await
    }

    /// Starts a task: one test script. Usual arguments: `name`, `logfile`, `testscript`, `description`.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`]: the context is no suite; [`Error::DuplicateId`]: a task of this id started before.
    pub async fn start_task(&mut self, id: &str, arguments: Arguments) -> Result<(), Error> {
        self.nothing("start_task", arguments.with("id", id)).await
    }

    /// Stops the task. Without a `result` it has what its sections rolled up.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`]: the context is no task.
    pub async fn stop_task(&mut self, arguments: Arguments) -> Result<(), Error> {
        self.nothing("stop_task", arguments).await
    }

    /// Gives a task, running or stopped, another result. Usual argument: `details`.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`]: there is no such task.
    pub async fn update_task_result(
        &mut self,
        id: &str,
        result: impl Into<TestResult>,
        arguments: Arguments,
    ) -> Result<(), Error> {
        self.nothing("update_task_result", arguments.with("id", id).with("result", result.into())).await
    }

    /// Ends a task whose process did not: makes it, if it never started, and gives it its result.
    ///
    /// # Errors
    /// Only as [`ReportClient::call`].
    pub async fn finalize_task(
        &mut self,
        id: &str,
        result: impl Into<TestResult>,
        arguments: Arguments,
    ) -> Result<(), Error> {
        self.nothing("finalize_task", arguments.with("id", id).with("result", result.into())).await
    }

    /// Starts a plugin's part of the run. Usual arguments: `name` (its id, unless it is said), `logfile`.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`]: the context is a section or a plugin.
    pub async fn start_plugin(
        &mut self,
        id: &str,
        stage: PluginStage<'_>,
        arguments: Arguments,
    ) -> Result<(), Error> {
        let (kind, whose, of) = match stage {
            PluginStage::PreJob(job) => ("PreJobPlugin", "job_id", job),
            PluginStage::PostJob(job) => ("PostJobPlugin", "job_id", job),
            PluginStage::PreTask(task) => ("PreTaskPlugin", "task_id", task),
            PluginStage::PostTask(task) => ("PostTaskPlugin", "task_id", task),
        };
        let named = arguments.get("name").is_some();
        let arguments = if named { arguments } else { arguments.with("name", id) };
        let arguments = arguments.with("id", id).with("type", kind).with(whose, of);
        self.nothing("start_plugin", arguments).await
    }

    /// Stops the plugin; without a `result` it has passed.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`]: the context is no plugin.
    pub async fn stop_plugin(&mut self, arguments: Arguments) -> Result<(), Error> {
        self.nothing("stop_plugin", arguments).await
    }

    /// Starts a section within the context. Usual arguments: `type` (`Testcase`, `Step`, ...), `name`, `description`,
    /// `logfile`, `xref`.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`]: neither task, section nor plugin is open; [`Error::DuplicateId`], under strict rules: a
    /// sibling has this id.
    pub async fn start_section(&mut self, id: &str, arguments: Arguments) -> Result<(), Error> {
        self.nothing("start_section", arguments.with("id", id)).await
    }

    /// Stops the section. Usual arguments: `result` (a [`TestResult`] or an [`oyez_model::Outcome`]), `result_rollup`
    /// (`false`: it does not count for the section above), `parameters`. An `id` renames it.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`]: the context is no section.
    pub async fn stop_section(&mut self, arguments: Arguments) -> Result<(), Error> {
        self.nothing("stop_section", arguments).await
    }

    /// Adds a remark to the context.
    ///
    /// # Errors
    /// [`Error::Raised`], an `AttributeError`: nothing is open.
    pub async fn add_detail(&mut self, detail: impl Into<Argument>) -> Result<(), Error> {
        self.nothing("add_detail", Arguments::new().with("detail", detail)).await
    }

    /// Adds to the context's extras: dictionaries are merged, anything else is replaced. Ignored when nothing is open.
    ///
    /// # Errors
    /// Only as [`ReportClient::call`].
    pub async fn add_extra(&mut self, extras: Arguments) -> Result<(), Error> {
        self.nothing("add_extra", extras).await
    }

    /// Adds to the extras of whatever each client has open innermost.
    ///
    /// # Errors
    /// Only as [`ReportClient::call`].
    pub async fn add_running_extra(&mut self, extras: Arguments) -> Result<(), Error> {
        self.nothing("add_running_extra", extras).await
    }

    /// Adds to the suite's extras.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`]: there is no suite.
    pub async fn add_testsuite_extra(&mut self, extras: Arguments) -> Result<(), Error> {
        self.nothing("add_testsuite_extra", extras).await
    }

    /// What stands at the end of a path of ids, the task's first; with an empty path the context. `None`: nothing is open.
    ///
    /// # Errors
    /// [`Error::Raised`], a `KeyError`: there is no such section.
    pub async fn get_section(&mut self, path: &[&str]) -> Result<Option<Section>, Error> {
        let call = "get_section";
        let reply = self.call(call, Arguments::new().with("id_list", path.to_vec())).await?;
        described(call, reply)
    }

    /// The same as an object of pyATS's own classes, as it stands in the pickle.
    ///
    /// # Errors
    /// As [`ReportClient::get_section`].
    pub async fn get_section_ctx(&mut self, path: &[&str]) -> Result<Value, Error> {
        self.call("get_section_ctx", Arguments::new().with("id_list", path.to_vec())).await
    }

    /// The test suite; `None` before there is one.
    ///
    /// # Errors
    /// Only as [`ReportClient::call`].
    pub async fn get_testsuite(&mut self) -> Result<Option<Section>, Error> {
        let call = "get_testsuite";
        let reply = self.call(call, Arguments::new()).await?;
        described(call, reply)
    }

    /// Takes a section out of the report; if it is open it stays so.
    ///
    /// # Errors
    /// [`Error::Raised`], a `KeyError`: there is no such section; [`Error::InvalidRequest`]: the path is empty.
    pub async fn remove_section(&mut self, path: &[&str]) -> Result<(), Error> {
        self.nothing("remove_section", Arguments::new().with("id_list", path.to_vec())).await
    }

    /// Stops all that this client has open; what has no result yet becomes errored.
    ///
    /// # Errors
    /// Only as [`ReportClient::call`].
    pub async fn stop_open_contexts(&mut self) -> Result<(), Error> {
        self.nothing("stop_open_contexts", Arguments::new()).await
    }

    /// Says that the log of a process was appended to another log, which had so many bytes before.
    ///
    /// # Errors
    /// Only as [`ReportClient::call`].
    pub async fn update_logfile_data(
        &mut self,
        logfile: &str,
        parent_logfile: &str,
        parent_logfile_size: u64,
    ) -> Result<(), Error> {
        let size = i64::try_from(parent_logfile_size).unwrap_or(i64::MAX);
        let arguments = Arguments::new()
            .with("logfile", logfile)
            .with("parent_logfile", parent_logfile)
            .with("parent_logfile_size", size);
        self.nothing("update_logfile_data", arguments).await
    }

    /// Writes `results.json` (or `results.yaml`, as the server was told) into the run's folder.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`]: there is no suite, or something is still open.
    pub async fn generate_report(&mut self) -> Result<(), Error> {
        self.nothing("generate_report", Arguments::new()).await
    }

    /// Writes `ResultsDetails.xml` and `ResultsSummary.xml` into the run's folder.
    ///
    /// # Errors
    /// [`Error::Raised`], an `AttributeError`: there is no suite.
    pub async fn generate_xml(&mut self) -> Result<(), Error> {
        self.nothing("generate_xml", Arguments::new()).await
    }

    /// Ends the server: it stops what is open, tells its subscribers, and closes all connections. Later calls of this
    /// client fail with [`Error::ConnectionBroken`].
    ///
    /// # Errors
    /// [`Error::InvalidRequest`], under strict rules: this is not the process that started it.
    pub async fn stop_server(&mut self) -> Result<(), Error> {
        self.nothing("stop_server", Arguments::new()).await?;
        self.close();
        Ok(())
    }

    /// A call whose answer says nothing.
    async fn nothing(&mut self, name: &str, arguments: Arguments) -> Result<(), Error> {
        self.call(name, arguments).await.map(|_| ())
    }
}

fn described(call: &str, reply: Value) -> Result<Option<Section>, Error> {
    if reply == Value::Null {
        return Ok(None);
    }
    match Section::from_value(reply) {
        Some(section) => Ok(Some(section)),
        None => Err(not_understood(call, "the answer describes no section".to_owned())),
    }
}
