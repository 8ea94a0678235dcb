/** The memory provider keeps the contract. */
import { conformance } from '../../conformance/kit.ts';
import { memoryHarness } from '../../../test/memory-harness.ts';

conformance(memoryHarness({}));
