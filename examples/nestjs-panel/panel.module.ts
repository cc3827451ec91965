import {
  Body,
  CanActivate,
  Controller,
  type DynamicModule,
  ExecutionContext,
  Get,
  Injectable,
  Module,
  Param,
  ParseIntPipe,
  type PipeTransform,
  Post,
  Render,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import type { Request } from 'express';
import { Column, Entity, PrimaryGeneratedColumn, Repository } from 'typeorm';
import { MigrationPlugin, type PluginOptions } from '../../src/index.js';

/** The panel's own table, in its own schema. */
@Entity('panel_note')
export class PanelNote {
  @PrimaryGeneratedColumn()
  id: number;

  @Column({ type: 'text' })
  text: string;
}

/** The panel's own rule: only people with its cookie get in, whatever the route. */
@Injectable()
export class PanelGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return /panel-user=/.test(context.switchToHttp().getRequest<Request>().headers.cookie ?? '');
  }
}

/** The panel's own pipe over every handler's input. */
@Injectable()
export class TrimPipe implements PipeTransform {
  transform(value: unknown): unknown {
    return typeof value === 'string' ? value.trim() : value;
  }
}

@Controller()
export class PanelController {
  constructor(@InjectRepository(PanelNote) private readonly notes: Repository<PanelNote>) {}

  @Get()
  @Render('welcome')
  welcome(): { title: string; items: string[] } {
    return { title: 'Panel <of> the host', items: ['mail', 'web', 'databases'] };
  }

  @Get('notes')
  all(): Promise<PanelNote[]> {
    return this.notes.find({ order: { id: 'ASC' } });
  }

  @Get('notes/:id')
  one(@Param('id', ParseIntPipe) id: number): Promise<PanelNote> {
    return this.notes.findOneByOrFail({ id });
  }

  @Post('notes')
  add(@Body() body: { text: string }): Promise<PanelNote> {
    return this.notes.save({ text: String(body.text) });
  }
}

@Module({})
export class PanelModule {
  /** @param databaseUrl the panel's own database; the plugin may share it, in a schema of its own. */
  static alone(databaseUrl: string): DynamicModule {
    return {
      module: PanelModule,
      imports: [
        TypeOrmModule.forRoot({ type: 'postgres', url: databaseUrl, entities: [PanelNote], synchronize: true }),
        TypeOrmModule.forFeature([PanelNote]),
      ],
      controllers: [PanelController],
      providers: [{ provide: APP_GUARD, useClass: PanelGuard }],
    };
  }

  static withMigrations(databaseUrl: string, options: PluginOptions): DynamicModule {
    const panel = PanelModule.alone(databaseUrl);
    return { ...panel, imports: [...(panel.imports ?? []), MigrationPlugin.forRoot(options)] };
  }
}

/** The panel's own view engine and pipes, set on the application as panels do. */
export function furnish(app: NestExpressApplication): NestExpressApplication {
  app.engine('panel', (file: string, model: object, done: (error: Error | null, html?: string) => void) => {
    const { title, items } = model as { title: string; items: string[] };
    done(
      null,
      `<!-- ${file.split('/').pop()} --><h1>${encodeURIComponent(title)}</h1>${items.map((item) => `<p>${item}</p>`).join('')}`,
    );
  });
  app.setBaseViewsDir(new URL('./views', import.meta.url).pathname);
  app.setViewEngine('panel');
  app.useGlobalPipes(new TrimPipe());
  return app;
}
