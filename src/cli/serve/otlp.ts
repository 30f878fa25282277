import type { Env } from '../../compose/env.ts';
import { version } from '../../compose/version.ts';

/** Resolves when what is left was sent, or could not be. */
export type StopTracing = () => Promise<void>;

const stopMillisMax = 5000;

/**
 * Sends spans to where OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) says, by OTLP over HTTP as JSON. The library reads the
 * other OTEL_ variables itself. Without an endpoint nothing of it is even loaded. Before a stack is made: it looks once.
 */
export async function startTracing(env: Env): Promise<StopTracing | null> {
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  if (!endpoint || env['OTEL_SDK_DISABLED'] === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none') return null;
  const [
    { propagation, trace },
    { W3CTraceContextPropagator },
    sdk,
    { OTLPTraceExporter },
    { resourceFromAttributes },
  ] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/core'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const resource = resourceFromAttributes({
    'service.name': env['OTEL_SERVICE_NAME'] || 'countersign',
    'service.version': version,
  });
  const processor = new sdk.BatchSpanProcessor(new OTLPTraceExporter());
  const provider = new sdk.BasicTracerProvider({ resource, spanProcessors: [processor] });
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  return async () => {
    let timer: NodeJS.Timeout | undefined;
    // A collector that does not answer holds nobody up.
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, stopMillisMax)));
    await Promise.race([provider.shutdown().catch(() => undefined), late]);
    clearTimeout(timer);
  };
}
