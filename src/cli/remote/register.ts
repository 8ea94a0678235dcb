/** All commands that work with a server. */
import type { Command } from 'commander';
import type { Start } from '../program.ts';
import { addAttention } from './attention.ts';
import { addConnectorExtras } from './connectors.ts';
import { addDefinitions } from './definitions.ts';
import { addJobs } from './jobs.ts';
import { addOperations, addSubscriptions } from './operations.ts';
import { addPeople, addTokens } from './people.ts';
import { addEndpoints, addProjects } from './projects.ts';
import { remoteStart } from './remote.ts';
import { addJobRuns, addRunCommands } from './runs.ts';
import { addSamples } from './samples.ts';
import { addSchedules, addTimetables } from './schedules.ts';

/** After the commands of this machine: some of those get words of the server's too. */
export function addRemoteCommands(program: Command, start: Start): void {
  const go = remoteStart(start);
  const connector = program.commands.find((command) => command.name() === 'connector');
  if (connector !== undefined) addConnectorExtras(connector, go);
  addProjects(program, go);
  addEndpoints(program, go);
  const job = program.command('job').description('jobs on a server: what is moved where, and how');
  addJobs(job, go);
  addJobRuns(job, go);
  addRunCommands(program, go, start);
  addSchedules(program, go);
  addTimetables(program, go);
  addSamples(program, go);
  addPeople(program, go);
  addTokens(program, go);
  addSubscriptions(program, go);
  addOperations(program, go);
  addAttention(program, go);
  addDefinitions(program, go);
}
