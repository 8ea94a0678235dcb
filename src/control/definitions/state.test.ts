import { expect, test } from 'vitest';
import type { Job, Project, Timetable } from '../entities.ts';
import { DEFAULT_SETTINGS } from '../jobs/settings.ts';
import { changedSettings, documentOf, jobKey, type SavedState } from './state.ts';

const COUNT = 2_000;
const times = <T>(make: (at: number) => T): T[] => Array.from({ length: COUNT }, (_, at) => make(at));

test('a document of many projects, jobs and timetables looks at each of them a few times only', () => {
  let looks = 0;
  const watched = <T extends object>(entity: T): T =>
    new Proxy(entity, {
      get(target, member, receiver) {
        looks++;
        return Reflect.get(target, member, receiver) as unknown;
      },
    });
  const end = { endpointId: 'e', endpointName: 'e', subPath: '' };
  const timetable = { timeZone: 'UTC', rules: [] };
  const timetables = times((at) => watched({ id: `t${at}`, name: `t${at}`, timetable } as unknown as Timetable));
  const projects = times((at) => watched({ id: `p${at}`, name: `p${at}`, description: '' } as Project));
  const jobs = times((at) => {
    const tuning = { transfersMax: null, timetableId: `t${at}` };
    const ids = { id: `j${at}`, name: `j${at}`, description: '', projectId: `p${at}`, projectName: `p${at}` };
    return watched({ ...ids, source: end, target: end, settings: DEFAULT_SETTINGS, tuning } as unknown as Job);
  });
  const state: SavedState = {
    connectors: new Map(),
    endpoints: new Map(),
    schedules: new Map(),
    timetables: new Map(timetables.map((each) => [each.name, each])),
    projects: new Map(projects.map((each) => [each.name, each])),
    jobs: new Map(jobs.map((each) => [jobKey(each.projectName, each.name), each])),
  };
  looks = 0;
  const document = documentOf(state, null);
  expect(document.projects).toHaveLength(COUNT);
  expect(document.projects.at(-1)?.jobs).toMatchObject([{ name: `j${COUNT - 1}`, timetable: `t${COUNT - 1}` }]);
  expect(looks).toBeLessThan(50 * COUNT);
});

test('a document says what somebody chose, also where that is what holds anyway', () => {
  const chosen = (deleteShareMax: number | 'default' | null) =>
    changedSettings({ ...DEFAULT_SETTINGS, deleteShareMax });
  expect(chosen('default')).toEqual({});
  expect(chosen(0.5)).toEqual({ deleteShareMax: 0.5 });
  expect(chosen(null)).toEqual({ deleteShareMax: null });
});
