//! One file for each subcommand: its arguments, and what it does.

pub mod completions;
pub mod control;
pub mod doctor;
pub mod events;
pub mod exec;
pub mod fsck;
pub mod import;
pub mod list;
pub mod logs;
pub mod plan;
pub mod plugin;
pub mod pyats;
pub mod report;
pub mod run;
pub mod search;
pub mod serve;
pub mod status;
pub mod submit;
pub mod tags;
pub mod targets;
