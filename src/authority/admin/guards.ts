import { behindBody } from '../body.ts';
import type { Exchange, Handler } from '../exchange.ts';
import { needFault, operatorOf, type Need, type OperatorCaller } from '../login/operator-caller.ts';
import type { Operators } from '../login/operators.ts';
import { refusalReply, success, type Reply } from '../reply.ts';
import { isRefused, type Refused } from '../refused.ts';

/** What an endpoint of the operators' API does for who asks; the parameter is that of its path. */
export type Work = (exchange: Exchange, parameter: string, caller: OperatorCaller) => Promise<object | Refused>;

/** How a piece of work is made an endpoint, by what it asks of the operator. */
export interface Guards {
  readonly shown: (work: Work) => Handler;
  readonly act: (work: Work) => Handler;
  readonly confirmed: (work: Work, code?: number) => Handler;
}

export function guards(operators: Operators): Guards {
  return {
    shown: (work) => guarded(operators, 'read', work),
    act: (work) => guarded(operators, 'act', work),
    confirmed: (work, code = 200) => guarded(operators, 'confirmed', work, code),
  };
}

/** Who asks comes first, whatever the question: a stranger does not learn what is well formed. */
function guarded(operators: Operators, need: Need, work: Work, code = 200): Handler {
  async function judged(exchange: Exchange): Promise<OperatorCaller | Refused> {
    const caller = await operatorOf(exchange, operators);
    if (isRefused(caller)) return caller;
    return needFault(caller, need, exchange.stack.clock()) ?? caller;
  }

  return async (exchange, parameter): Promise<Reply> => {
    const caller = await (need === 'read' ? judged(exchange) : behindBody(exchange, () => judged(exchange)));
    if (isRefused(caller)) return refusalReply(caller);
    const value = await work(exchange, parameter, caller);
    return isRefused(value) ? refusalReply(value) : success(code, value);
  };
}
